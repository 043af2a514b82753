import * as z from 'zod'
import { AppError } from '../errors.ts'
import { contentObject, dropUnset, type EmptyForm, parameterObject } from '../http/request-rule.ts'
import { storableText, validate } from '../http/validate.ts'
import { isRecord } from '../json.ts'
import { chatMessageSchema } from './chat-messages.ts'
import { UnsupportedParameterError } from './openai-error.ts'

export const identifier = z
  .string()
  .regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of a-z, A-Z, 0-9, _ and -')
const object = z.record(z.string(), z.unknown())
const word = storableText(512)

const tool = contentObject({
  type: z.literal('function'),
  function: contentObject({
    name: identifier,
    description: z.string().nullish(),
    parameters: object.nullish(),
    strict: z.boolean().nullish(),
  }),
})

const responseFormat = z.discriminatedUnion('type', [
  parameterObject({ type: z.literal('text') }),
  parameterObject({ type: z.literal('json_object') }),
  parameterObject({
    type: z.literal('json_schema'),
    json_schema: parameterObject({
      name: identifier,
      description: z.string().nullish(),
      schema: object,
      strict: z.boolean().nullish(),
    }),
  }),
])

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  parameterObject({
    type: z.literal('function'),
    function: parameterObject({ name: z.string() }),
  }),
])

/** OpenAI's words, which providers have their own for. */
export const reasoningEffort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh'])

export const maxTokens = z.int().min(1).max(1_000_000).nullish()

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
  reasoning_effort: reasoningEffort.nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
}

/** They change no answer, here and in responses. The first two name the end user. */
export const labels = {
  user: word.min(1).nullish(),
  safety_identifier: word.min(1).nullish(),
  prompt_cache_key: word.nullish(),
  metadata: z
    .record(z.string().max(64), word)
    .refine((pairs) => Object.keys(pairs).length <= 16, 'has more than 16 pairs')
    .nullish(),
  top_logprobs: z.literal(0).nullish(),
  // How long a provider caches: it changes the bill, and no answer.
  prompt_cache_retention: z.enum(['in_memory', 'in-memory', '24h']).nullish(),
  prompt_cache_options: object.nullish(),
  service_tier: z.enum(['auto', 'default']).nullish(),
}

/** And these: a value that says what is so anyway. */
const harmless = {
  ...labels,
  n: z.literal(1).nullish(),
  store: z.literal(false).nullish(),
  logprobs: z.literal(false).nullish(),
  verbosity: z.literal('medium').nullish(),
  // OpenRouter's way to ask for what every answer has.
  usage: parameterObject({ include: z.boolean().nullish() }).nullish(),
  modalities: z.tuple([z.literal('text')]).nullish(),
}

const parameters = { ...effective, ...harmless }
export const chatBodySchema = z.object(parameters)

const emptyForms: Readonly<Record<string, readonly EmptyForm[]>> = {
  tools: ['list'],
  functions: ['list'],
  modalities: ['list'],
  stop: ['list', 'text'],
  logit_bias: ['object'],
  metadata: ['object'],
  stream_options: ['object'],
  user: ['text'],
  safety_identifier: ['text'],
  prompt_cache_key: ['text'],
  reasoning_effort: ['text'],
}

/** The body of `POST /chat/completions`. */
export type ChatBody = z.output<typeof chatBodySchema>

/** @throws AppError `invalid_request` with the path of the first offending parameter */
export function readChatBody(json: unknown): ChatBody {
  const set = isRecord(json) ? dropUnset(json, emptyForms) : json
  const unsupported = isRecord(set)
    ? Object.keys(set).find((key) => !Object.hasOwn(parameters, key))
    : undefined
  if (unsupported !== undefined) throw new UnsupportedParameterError(unsupported)
  const body = validate(chatBodySchema, set)
  const { max_tokens: older, max_completion_tokens: newer } = body
  if (body.stream_options && body.stream !== true) {
    throw invalid('stream_options', 'is for streams only')
  }
  if (typeof older === 'number' && typeof newer === 'number' && older !== newer) {
    throw invalid('max_tokens', 'differs from max_completion_tokens')
  }
  // Who lists no tools and lets the model choose among them asks for nothing.
  const listsNone = isRecord(json) && Array.isArray(json['tools'])
  const isFree = body.tool_choice === 'none' || (body.tool_choice === 'auto' && listsNone)
  checkToolChoice(body, isFree)
  return body
}

function checkToolChoice({ tools, tool_choice: choice }: ChatBody, isFree: boolean): void {
  if (!choice || isFree) return
  if (!tools) throw invalid('tool_choice', 'needs tools')
  if (typeof choice === 'string') return
  const { name } = choice.function
  const isKnown = tools.some((each) => each.function.name === name)
  if (!isKnown) throw invalid('tool_choice.function.name', 'is not among the tools')
}

/** A parameter that is well-formed and yet cannot be. */
export function invalid(path: string, problem: string): AppError {
  const short = path.slice(0, 200)
  const message = `${short}: ${problem}`.slice(0, 300)
  return new AppError('invalid_request', { message, path: short })
}
