import * as z from 'zod'
import { contentObject, optional, parameterObject } from '../http/request-rule.ts'
import { storableText } from '../http/validate.ts'
import { type ParsedSchema, parseSchema, SchemaError } from '../json-schema/parse-schema.ts'
import type { MessagePart } from '../models/model-protocol.ts'
import type { NamedFile, ReadFile, ReadFiles } from '../files/read-files.ts'
import { address, inlineLimit, toFilePart } from './inline-data.ts'

/** Bytes of UTF-8 that the content of one message may have: its text, or its parts as JSON. */
export const maxContentBytes = 256 * 1024

/** Bytes of a request body: the largest content, whatever its escapes in JSON, and files in it. */
export const invocationLimit = { bytes: inlineLimit, path: 'message.content' } as const

const encoder = new TextEncoder()
/** Data in the content has the limit of the body only, because it is not stored. */
const withoutData = (key: string, value: unknown) =>
  (key === 'url' || key === 'image') && String(value).startsWith('data:') ? '' : value
const fits = (content: unknown) => {
  const text = typeof content === 'string' ? content : JSON.stringify(content, withoutData)
  return encoder.encode(text).byteLength <= maxContentBytes
}

const name = storableText(200).min(1)
const text = storableText(maxContentBytes).min(1)
const mediaType = z
  .string()
  .max(127)
  .regex(/^[\w.+-]+\/[\w.+-]+$/, 'is not a media type')
const part = z.discriminatedUnion('type', [
  contentObject({ type: z.literal('text'), text: storableText(maxContentBytes) }),
  contentObject({
    type: z.literal('file'),
    url: optional(address),
    /** Of a file that was uploaded: `<organization_id>/<session_id>/<uuid>/<name>`. */
    path: optional(storableText(255).min(1)),
    mediaType: optional(mediaType),
    filename: optional(storableText(255)),
  }).superRefine(({ url, path, mediaType: type }, context) => {
    const refuse = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message })
    if (url === undefined && path === undefined) refuse('url', 'is required, unless path is given')
    if (url !== undefined && path !== undefined) refuse('path', 'cannot come with url')
    if (url !== undefined && type === undefined) refuse('mediaType', 'is required with url')
  }),
  contentObject({ type: z.literal('image'), image: address, mediaType }),
])

// A file without a word to it comes with an empty text from many clients.
const parts = z
  .array(part)
  .max(64)
  .transform((all) => all.filter((each) => each.type !== 'text' || each.text !== ''))
  .refine((all) => all.length > 0, 'is empty')

const message = contentObject({
  id: optional(z.uuid()),
  // A message of another role than `user` would instruct the model.
  role: z.literal('user').nullish(),
  content: z.union([text, parts]).refine(fits, `is longer than ${maxContentBytes} bytes`),
})

const params = parameterObject({
  temperature: optional(z.number().min(0).max(2)),
  max_output_tokens: optional(z.int().min(1).max(1_000_000)),
  top_p: optional(z.number().min(0).max(1)),
  top_k: optional(z.int().min(1).max(1_000)),
  stop: z
    .array(storableText(200).min(1))
    .max(5)
    .nullish()
    .transform((stop) => (stop && stop.length > 0 ? stop : undefined)),
  seed: optional(z.int()),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  reasoning_effort: optional(z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh'])),
})

const prompt = parameterObject({
  name,
  variables: optional(
    z.record(z.string(), z.union([storableText(65_536), z.number(), z.boolean()])),
  ),
})

const format = parameterObject({
  schema: z.unknown().transform((value, context): ParsedSchema => {
    try {
      return parseSchema(value)
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error
      context.addIssue({ code: 'custom', path: [...error.path], message: error.message })
      return z.NEVER
    }
  }),
})

/** The body of `POST /agents/invoke`. */
export const invocationSchema = parameterObject({
  agent: optional(name),
  model: optional(name),
  session_id: optional(z.uuid()),
  project_id: optional(z.int().positive()),
  /** The message that this one follows; null begins a new branch at the start of the session. */
  parent_id: z.uuid().nullable().optional(),
  message: optional(message),
  /** Instead of `message`: the user message or the answer to answer again. */
  regenerate: optional(z.uuid()),
  /** What to do while another execution of the session runs. */
  on_busy: z
    .enum(['refuse', 'queue'])
    .nullish()
    .transform((value) => value ?? 'refuse'),
  stream: z
    .boolean()
    .nullish()
    .transform((value) => value ?? true),
  params: params.nullish().transform((value) => value ?? {}),
  /** A prompt of the organization's library, by name: the last of the system prompts. */
  prompt: optional(prompt),
  /** The customer for whom a server acts. Their session goes on with the same one only. */
  end_user: optional(storableText(512).min(1)),
  /** The answer must be JSON of this schema, or it has failed. */
  format: optional(format),
}).superRefine(({ message, regenerate, session_id, parent_id }, context) => {
  const refuse = (field: string, problem: string) =>
    context.addIssue({ code: 'custom', path: [field], message: problem })
  if (regenerate === undefined) {
    if (message === undefined) refuse('message', 'is required, unless regenerate is given')
    return
  }
  if (message !== undefined) refuse('message', 'cannot come with regenerate')
  if (parent_id !== undefined) refuse('parent_id', 'cannot come with regenerate')
  if (session_id === undefined) refuse('session_id', 'is required with regenerate')
})

export type Invocation = z.output<typeof invocationSchema>

/** A key of the caller's choice, sent as `Idempotency-Key`: visible ASCII, at most 255 of it. */
export const idempotencyKeySchema = z.object({
  'Idempotency-Key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional(),
})

type Message = NonNullable<Invocation['message']>

/** Whether an invocation names files of Storage. */
export const namesFiles = ({ message }: Invocation): boolean =>
  message != null && namedFiles(message).length > 0

/** The files that a message names by their paths. */
export function namedFiles({ content }: Message): NamedFile[] {
  if (typeof content === 'string') return []
  return content.flatMap((item) => {
    if (item.type !== 'file' || item.path === undefined) return []
    const { path, mediaType: type, filename } = item
    return [{ path, mediaType: type, filename }]
  })
}

/** The parts of a message under the names of rows, and of all providers; null for a text. */
export function toMessageParts({ content }: Message, files: ReadFiles): AskedPart[] | null {
  return typeof content === 'string' ? null : content.map((item) => toMessagePart(item, files))
}

/** A part of a message that is sent; a file that was uploaded is as it is stored. */
export type AskedPart = MessagePart | ReadFile['stored']

function toMessagePart(item: z.output<typeof part>, files: ReadFiles): AskedPart {
  switch (item.type) {
    case 'text':
      return item
    case 'image':
      return toFilePart(item.image, item.mediaType)
    case 'file':
      return (
        files.get(item.path ?? '')?.stored ??
        toFilePart(item.url ?? '', item.mediaType ?? '', { filename: item.filename })
      )
  }
}
