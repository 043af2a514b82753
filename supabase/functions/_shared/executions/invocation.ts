import * as z from 'zod'
import { storableText } from '../http/validate.ts'
import { type ParsedSchema, parseSchema, SchemaError } from '../json-schema/parse-schema.ts'
import type { MessagePart } from '../models/model-protocol.ts'

/** Bytes of UTF-8 that the content of one message may have: its text, or its parts as JSON. */
export const maxContentBytes = 256 * 1024

/** Bytes of a request body: the largest content, whatever its escapes in JSON, and the rest. */
export const invocationLimit = { bytes: 2 * 1024 * 1024, path: 'message.content' } as const

const encoder = new TextEncoder()
const fits = (content: unknown) => {
  const text = typeof content === 'string' ? content : JSON.stringify(content)
  return encoder.encode(text).byteLength <= maxContentBytes
}

const name = storableText(200).min(1)
const text = storableText(maxContentBytes).min(1)
const mediaType = z
  .string()
  .max(127)
  .regex(/^[\w.+-]+\/[\w.+-]+$/, 'is not a media type')
// An address only: a data: URL would be stored and sent again with every later turn.
const fileUrl = storableText(2_048).regex(
  /^https:\/\/[^\s/?#@]+(?:[/?#]\S*)?$/,
  'is not an https URL',
)

const part = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text }),
  z.strictObject({
    type: z.literal('file'),
    url: fileUrl,
    mediaType,
    filename: storableText(255).min(1).optional(),
  }),
  z.strictObject({ type: z.literal('image'), image: fileUrl, mediaType }),
])

const message = z.strictObject({
  id: z.uuid().optional(),
  content: z
    .union([text, z.array(part).min(1).max(64)])
    .refine(fits, `is longer than ${maxContentBytes} bytes`),
})

const params = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  max_output_tokens: z.int().min(1).max(1_000_000).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(1).max(1_000).optional(),
  stop: z.array(storableText(200).min(1)).min(1).max(5).optional(),
  seed: z.int().optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
})

const format = z.strictObject({
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
export const invocationSchema = z
  .strictObject({
    agent: name.optional(),
    model: name.optional(),
    session_id: z.uuid().optional(),
    project_id: z.int().positive().optional(),
    /** The message that this one follows; null begins the conversation anew, in the same session. */
    parent_id: z.uuid().nullable().optional(),
    message: message.optional(),
    /** Instead of a message: one to answer again, or an answer to give again. */
    regenerate: z.uuid().optional(),
    /** What to do while another execution of the session runs. */
    on_busy: z.enum(['refuse', 'queue']).default('refuse'),
    stream: z.boolean().default(true),
    params: params.default({}),
    /** The answer must be JSON of this schema, or it has failed. */
    format: format.optional(),
  })
  .superRefine(({ message, regenerate, session_id, parent_id }, context) => {
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

/** The message as the database takes it: parts have the names of rows, and of all providers. */
export function storedMessage({ id, content }: NonNullable<Invocation['message']>): {
  id?: string
  content: string | MessagePart[]
} {
  return {
    ...(id !== undefined && { id }),
    content: typeof content === 'string' ? content : content.map(storedPart),
  }
}

function storedPart(item: z.output<typeof part>): MessagePart {
  switch (item.type) {
    case 'text':
      return item
    case 'image':
      return { type: 'image', url: item.image, media_type: item.mediaType }
    case 'file': {
      const type = item.mediaType.startsWith('image/') ? 'image' : 'file'
      const filename = item.filename === undefined ? {} : { filename: item.filename }
      return { type, url: item.url, media_type: item.mediaType, ...filename }
    }
  }
}
