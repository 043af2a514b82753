import * as z from 'zod'
import { contentObject, dropUnset, type EmptyForm, parameterObject } from '../http/request-rule.ts'
import { storableText, validate } from '../http/validate.ts'
import { isRecord } from '../json.ts'
import { identifier, invalid, labels, maxTokens, reasoningEffort } from './chat-body.ts'
import { UnsupportedParameterError } from './openai-error.ts'
import { inputSchema } from './responses-input.ts'

const object = z.record(z.string(), z.unknown())

const tool = contentObject({
  type: z.literal('function'),
  name: identifier,
  description: z.string().nullish(),
  parameters: object.nullish(),
  strict: z.boolean().nullish(),
})

const format = z.discriminatedUnion('type', [
  parameterObject({ type: z.literal('text') }),
  parameterObject({ type: z.literal('json_object') }),
  parameterObject({
    type: z.literal('json_schema'),
    name: identifier,
    description: z.string().nullish(),
    schema: object,
    strict: z.boolean().nullish(),
  }),
])

const effective = {
  model: storableText(512).min(1),
  input: inputSchema,
  instructions: storableText(1024 * 1024).nullish(),
  previous_response_id: storableText(512).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: parameterObject({ include_obfuscation: z.boolean().nullish() }).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      parameterObject({ type: z.literal('function'), name: z.string() }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: parameterObject({
    format: format.nullish(),
    verbosity: z.literal('medium').nullish(),
  }).nullish(),
  reasoning: parameterObject({
    effort: reasoningEffort.nullish(),
    // What a model thinks aloud is passed on; how long it is, is up to the model.
    summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  max_output_tokens: maxTokens,
}

/** Accepted because they change no answer: a label, or the value that says what is so anyway. */
const harmless = {
  ...labels,
  background: z.literal(false).nullish(),
  truncation: z.literal('disabled').nullish(),
  // Thoughts are not sealed here: there is nothing to include.
  include: z.array(z.literal('reasoning.encrypted_content')).nullish(),
}

const parameters = { ...effective, ...harmless }
export const responsesBodySchema = z.object(parameters)

const emptyForms: Readonly<Record<string, readonly EmptyForm[]>> = {
  tools: ['list'],
  include: ['list'],
  instructions: ['text'],
  previous_response_id: ['text'],
  text: ['object'],
  reasoning: ['object'],
  metadata: ['object'],
  user: ['text'],
  prompt_cache_key: ['text'],
  safety_identifier: ['text'],
}

/** The body of `POST /responses`. */
export type ResponsesBody = z.output<typeof responsesBodySchema>

/** @throws AppError `invalid_request` with the path of the first offending parameter */
export function readResponsesBody(json: unknown): ResponsesBody {
  const set = isRecord(json) ? dropUnset(json, emptyForms) : json
  const unsupported = isRecord(set)
    ? Object.keys(set).find((key) => !Object.hasOwn(parameters, key))
    : undefined
  if (unsupported !== undefined) throw new UnsupportedParameterError(unsupported)
  const body = validate(responsesBodySchema, set)
  const { tools, tool_choice: choice } = body
  if (choice === 'required' && !tools) throw invalid('tool_choice', 'needs tools')
  if (typeof choice === 'object' && choice && !tools?.some(({ name }) => name === choice.name)) {
    throw invalid('tool_choice.name', 'is not among the tools')
  }
  return body
}
