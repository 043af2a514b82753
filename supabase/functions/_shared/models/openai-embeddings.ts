import { fromAnyBase64, toBase64 } from '../crypto/base64.ts'
import { countOf, isRecord, stringOf } from '../json.ts'
import { ModelError } from './model-error.ts'
import type { EmbeddingInput, ModelUsage, Vector } from './model-protocol.ts'
import { readOpenAiUsage } from './openai-usage.ts'

type Json = Record<string, unknown>

/** Vectors as a provider made them. */
export interface EmbeddingAnswer {
  readonly requestId: string | null
  readonly model: string | null
  readonly vectors: readonly Vector[]
  readonly usage: ModelUsage | null
}

/** The body of `POST /embeddings`. */
export function toEmbeddingRequest(
  model: string,
  { input, dimensions, encoding }: EmbeddingInput,
): Json {
  const size = dimensions === undefined ? {} : { dimensions }
  return { model, input, encoding_format: encoding, ...size }
}

/** What an answer says it used, whatever else it says. */
export function readEmbeddingUsage(body: unknown): ModelUsage | null {
  const usage = isRecord(body) ? body['usage'] : null
  // Nothing is put out, whatever a total of unknown parts suggests.
  return isRecord(usage) ? { ...readOpenAiUsage(usage), outputTokens: 0 } : null
}

/**
 * Reads an answer with one vector for each input. Some services know one encoding only, so a vector is
 * changed to the one that was asked for.
 * @throws ModelError `provider_malformed_response` for anything else
 */
export function readEmbeddings(body: unknown, asked: EmbeddingInput): EmbeddingAnswer {
  if (!isRecord(body) || !Array.isArray(body['data']))
    throw malformed('there is no list of vectors')
  const vectors = new Map<unknown, Vector>()
  for (const [place, item] of (body['data'] as unknown[]).entries()) {
    if (!isRecord(item)) throw malformed('a vector is no object')
    vectors.set(countOf(item['index']) ?? place, toVector(item['embedding'], asked))
  }
  return {
    requestId: stringOf(body['id']),
    model: stringOf(body['model']),
    vectors: [...asked.input.keys()].map((index) => {
      const vector = vectors.get(index)
      if (vector === undefined) throw malformed(`input ${index} has no vector`)
      return vector
    }),
    usage: readEmbeddingUsage(body),
  }
}

/**
 * A vector in the encoding and the size that were asked for.
 * @throws ModelError `provider_malformed_response`
 */
export function toVector(value: unknown, { dimensions, encoding }: EmbeddingInput): Vector {
  const size = sizeOf(value)
  if (size === null || size === 0) throw malformed('a vector is no vector')
  if (dimensions !== undefined && size !== dimensions) {
    throw malformed(`a vector has ${size} dimensions instead of ${dimensions}`)
  }
  if (typeof value === 'string') return encoding === 'base64' ? value : toNumbers(value)
  const numbers = value as readonly number[]
  return encoding === 'float' ? numbers : toBase64(toBytes(numbers))
}

/** How many numbers it has; null when it is no vector. */
function sizeOf(value: unknown): number | null {
  if (Array.isArray(value))
    return value.every((each) => Number.isFinite(each)) ? value.length : null
  if (typeof value !== 'string' || value.length % 4 !== 0) return null
  const padding = /^[A-Za-z0-9+/]*(={0,2})$/.exec(value)?.[1]
  if (padding === undefined) return null
  const size = ((value.length / 4) * 3 - padding.length) / 4
  return Number.isInteger(size) ? size : null
}

function toNumbers(base64: string): number[] {
  const bytes = fromAnyBase64(base64) ?? new Uint8Array()
  const view = new DataView(bytes.buffer)
  const numbers = Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(at * 4, true))
  if (numbers.length > 0 && numbers.every(Number.isFinite)) return numbers
  throw malformed('a vector has a number that is none')
}

function toBytes(numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(numbers.length * 4))
  for (const [at, number] of numbers.entries()) view.setFloat32(at * 4, number, true)
  return new Uint8Array(view.buffer)
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
