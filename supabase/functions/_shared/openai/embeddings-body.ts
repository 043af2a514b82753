import * as z from 'zod'
import { AppError } from '../errors.ts'
import { dropUnset, type EmptyForm } from '../http/request-rule.ts'
import { storableText, validate } from '../http/validate.ts'
import { isRecord } from '../json.ts'
import { inlineLimit } from '../executions/inline-data.ts'
import type { EmbeddingInput } from '../models/model-protocol.ts'
import { labels } from './chat-body.ts'
import { toEndUser } from './chat-request.ts'
import { UnsupportedParameterError } from './openai-error.ts'

/** Bytes of a request body. */
export const embeddingsLimit = { bytes: inlineLimit, path: 'input' } as const

/** OpenAI's bound. What one request may have in tokens is up to the provider. */
const maxInputs = 2_048

const text = z.string().min(1)
const tokens = z.array(z.int().min(0)).min(1)
const texts = z.array(text).min(1).max(maxInputs)
const tokenLists = z.array(tokens).min(1).max(maxInputs)
const anyInput = z.union([text, texts, tokens, tokenLists])
const { user } = labels

const parameters = {
  model: storableText(512).min(1),
  input: anyInput,
  dimensions: z.int().min(1).max(100_000).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  user,
}
export const embeddingsBodySchema = z.object(parameters)

const emptyForms: Readonly<Record<string, readonly EmptyForm[]>> = { user: ['text'] }

/** A request for vectors, checked and in our own words. */
export interface EmbeddingsRequest {
  readonly model: string
  readonly embed: EmbeddingInput
  readonly endUser?: string
}

/**
 * Reads the body of `POST /embeddings`.
 * @param idempotencyKey refused: the vectors are not stored, so a repeated request has no answer
 * @throws AppError `invalid_request` with the path of the first offending parameter
 */
export function readEmbeddingsRequest(
  json: unknown,
  idempotencyKey: string | null,
): EmbeddingsRequest {
  if (idempotencyKey !== null) {
    const path = 'Idempotency-Key'
    const message = `${path}: cannot come with embeddings, which are not stored`
    throw new AppError('invalid_request', { path, message })
  }
  const set = isRecord(json) ? dropUnset(json, emptyForms) : json
  const unsupported = isRecord(set)
    ? Object.keys(set).find((key) => !Object.hasOwn(parameters, key))
    : undefined
  if (unsupported !== undefined) throw new UnsupportedParameterError(unsupported)
  // One form at a time, so that a refusal names what is wrong in the form that was meant.
  const form = z.object({ ...parameters, input: formOf(isRecord(set) ? set['input'] : null) })
  const { model, input, dimensions, encoding_format, user: endUser } = validate(form, set)
  return {
    model,
    ...toEndUser({ user: endUser }),
    embed: {
      input: toInputs(input),
      encoding: encoding_format ?? 'float',
      ...(typeof dimensions === 'number' && { dimensions }),
    },
  }
}

function formOf(input: unknown): z.ZodType<z.output<typeof anyInput>> {
  if (!Array.isArray(input)) return text
  const [first] = input as unknown[]
  if (Array.isArray(first)) return tokenLists
  return typeof first === 'number' ? tokens : texts
}

function toInputs(input: z.output<typeof embeddingsBodySchema>['input']): EmbeddingInput['input'] {
  if (typeof input === 'string') return [input]
  const [first] = input
  return typeof first === 'number' ? [input as number[]] : (input as string[] | number[][])
}
