import * as z from 'zod'
import { AppError } from '../errors.ts'
import { storableText, validate } from '../http/validate.ts'
import { isRecord } from '../json.ts'
import { chatMessageSchema } from './chat-messages.ts'
import { UnsupportedParameterError } from './openai-error.ts'

const identifier = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of a-z, A-Z, 0-9, _ and -')
const object = z.record(z.string(), z.unknown())
const word = storableText(512)

const tool = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name: identifier,
    description: z.string().nullish(),
    parameters: object.nullish(),
    strict: z.boolean().nullish(),
  }),
})

const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: identifier,
      description: z.string().nullish(),
      schema: object,
      strict: z.boolean().nullish(),
    }),
  }),
])

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({
    type: z.literal('function'),
    function: z.strictObject({ name: z.string() }),
  }),
])

const maxTokens = z.int().min(1).max(1_000_000).nullish()

/** What the endpoint acts on. */
const effective = {
  model: word.min(1),
  messages: z.array(chatMessageSchema).min(1).max(2_048),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().nullish(),
      include_obfuscation: z.boolean().nullish(),
    })
    .nullish(),
  tools: z.array(tool).min(1).max(128).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  max_tokens: maxTokens,
  max_completion_tokens: maxTokens,
  stop: z
    .union([storableText(200).min(1), z.array(storableText(200).min(1)).min(1).max(4)])
    .nullish(),
  seed: z.int().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
}

/** Accepted because they change no answer: a label, or the value that says what is so anyway. */
const harmless = {
  n: z.literal(1).nullish(),
  user: word.nullish(),
  safety_identifier: word.nullish(),
  prompt_cache_key: word.nullish(),
  metadata: z
    .record(z.string().max(64), word)
    .refine((pairs) => Object.keys(pairs).length <= 16, 'has more than 16 pairs')
    .nullish(),
  store: z.literal(false).nullish(),
  logprobs: z.literal(false).nullish(),
  service_tier: z.enum(['auto', 'default']).nullish(),
  modalities: z.tuple([z.literal('text')]).nullish(),
}

const parameters = { ...effective, ...harmless }
const bodySchema = z.object(parameters)

/** The body of `POST /chat/completions`. */
export type ChatBody = z.output<typeof bodySchema>

/** @throws AppError `invalid_request` with the path of the first offending parameter */
export function readChatBody(json: unknown): ChatBody {
  const unsupported = isRecord(json)
    ? Object.keys(json).find((key) => !Object.hasOwn(parameters, key))
    : undefined
  if (unsupported !== undefined) throw new UnsupportedParameterError(unsupported)
  const body = validate(bodySchema, json)
  const { tools, tool_choice: choice, max_tokens: older, max_completion_tokens: newer } = body
  if (body.stream_options && body.stream !== true) {
    throw invalid('stream_options', 'is for streams only')
  }
  if (typeof older === 'number' && typeof newer === 'number' && older !== newer) {
    throw invalid('max_tokens', 'differs from max_completion_tokens')
  }
  if (choice && choice !== 'none' && !tools) throw invalid('tool_choice', 'needs tools')
  if (typeof choice === 'object') {
    const { name } = choice?.function ?? {}
    const isKnown = tools?.some((each) => each.function.name === name)
    if (choice && !isKnown) throw invalid('tool_choice.function.name', 'is not among the tools')
  }
  return body
}

/** A parameter that is well-formed and yet cannot be. */
export function invalid(path: string, problem: string): AppError {
  const short = path.slice(0, 200)
  const message = `${short}: ${problem}`.slice(0, 300)
  return new AppError('invalid_request', { message, path: short })
}
