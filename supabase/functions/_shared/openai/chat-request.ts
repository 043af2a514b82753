import { inlineLimit } from '../executions/inline-data.ts'
import { type ParsedSchema, parseSchema, SchemaError } from '../json-schema/parse-schema.ts'
import type {
  ModelMessage,
  ModelParams,
  ModelRequest,
  ModelTool,
  ResponseFormat,
} from '../models/model-protocol.ts'
import { type ChatBody, invalid, readChatBody } from './chat-body.ts'
import { chatDialect, type Dialect } from './dialect.ts'
import { type ChatMessage, toModelMessages, UnknownToolCallError } from './chat-messages.ts'

/** Bytes of a request body: a long conversation with its tools, and pictures or files in it. */
export const chatLimit = { bytes: inlineLimit, path: 'messages' } as const

/** A chat completion request, checked and in our own words. */
export interface ChatRequest {
  readonly model: string
  readonly stream: boolean
  readonly dialect: Dialect
  /** As the client sent them: what tells a repeat from another request. */
  readonly messages: readonly unknown[]
  readonly asked: Pick<ModelRequest, 'messages'> & Pick<Partial<ModelRequest>, Asked>
  /** What a whole answer must be: JSON at least, of this schema when there is one. */
  readonly answerSchema: ParsedSchema | null
  readonly params: ModelParams
  /** The customer for whom a server acts: `safety_identifier`, or its older name `user`. */
  readonly endUser?: string
  /** Executions whose answers the input quotes by their items. */
  readonly refers?: readonly string[]
  /** Of a response that later requests can follow. */
  readonly kept?: KeptInput
}

/** What is stored of a request, so that another one can follow its response. */
export interface KeptInput {
  /** The messages of this request alone. */
  readonly messages: readonly ModelMessage[]
  /** The response that it follows. */
  readonly previous: PreviousResponse | null
}

export interface PreviousResponse {
  readonly id: string
  readonly executionId: string
  /** What was asked and answered up to it. */
  readonly messages: readonly ModelMessage[]
}

type Asked = 'tools' | 'toolChoice' | 'parallelToolCalls' | 'responseFormat'

/** @throws AppError `invalid_request` with the path of the first offending parameter */
export function readChatRequest(json: unknown): ChatRequest {
  const body = readChatBody(json)
  const { model, messages, stream, stream_options, parallel_tool_calls: parallel } = body
  const format = toResponseFormat(body)
  return {
    model,
    stream: stream === true,
    dialect: chatDialect(stream_options?.include_usage === true),
    messages,
    asked: {
      messages: readMessages(messages),
      ...toTools(body),
      ...(typeof parallel === 'boolean' && { parallelToolCalls: parallel }),
      ...(format && { responseFormat: format }),
    },
    answerSchema: toAnswerSchema(format),
    params: toParams(body),
    ...toEndUser(body),
  }
}

/** OpenAI replaces `user` with `safety_identifier`; here both name the end user. */
export function toEndUser({
  user,
  safety_identifier: newer,
}: Pick<ChatBody, 'user'> & Partial<Pick<ChatBody, 'safety_identifier'>>): { endUser?: string } {
  const endUser = newer ?? user
  return typeof endUser === 'string' ? { endUser } : {}
}

function readMessages(messages: readonly ChatMessage[]) {
  try {
    return toModelMessages(messages)
  } catch (error) {
    if (!(error instanceof UnknownToolCallError)) throw error
    throw invalid(`messages.${error.index}.tool_call_id`, 'answers no tool call before it')
  }
}

function toTools({ tools, tool_choice: choice }: ChatBody): Pick<Partial<ModelRequest>, Asked> {
  if (!tools) return {}
  return { tools: tools.map(toTool), ...(choice && { toolChoice: toToolChoice(choice) }) }
}

function toTool({ function: declared }: NonNullable<ChatBody['tools']>[number]): ModelTool {
  const { name, description, parameters, strict } = declared
  return {
    name,
    ...(typeof description === 'string' && { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
    ...(typeof strict === 'boolean' && { strict }),
  }
}

function toToolChoice(choice: NonNullable<ChatBody['tool_choice']>) {
  return typeof choice === 'string' ? choice : { name: choice.function.name }
}

function toResponseFormat({ response_format: format }: ChatBody): ResponseFormat | null {
  if (!format || format.type === 'text') return null
  if (format.type === 'json_object') return { type: 'json_object' }
  const { name, description, schema, strict } = format.json_schema
  return {
    type: 'json_schema',
    name,
    schema,
    ...(typeof description === 'string' && { description }),
    strict: strict === true,
  }
}

/** Without `strict`, OpenAI promises no more than an attempt, and no schema is refused. */
export function toAnswerSchema(
  format: ResponseFormat | null,
  place = ['response_format', 'json_schema', 'schema'],
): ParsedSchema | null {
  if (format?.type === 'json_object') return parseSchema({ type: 'object' })
  if (!format?.strict) return null
  try {
    return parseSchema(format.schema)
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    const path = [...place, ...error.path].join('.')
    throw invalid(path, error.message)
  }
}

function toParams(body: ChatBody): ModelParams {
  const params: { [Name in keyof ModelParams]-?: ModelParams[Name] | null | undefined } = {
    temperature: body.temperature,
    top_p: body.top_p,
    top_k: null,
    max_output_tokens: body.max_completion_tokens ?? body.max_tokens,
    stop: typeof body.stop === 'string' ? [body.stop] : body.stop,
    seed: body.seed,
    reasoning_effort: body.reasoning_effort,
    presence_penalty: body.presence_penalty,
    frequency_penalty: body.frequency_penalty,
  }
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null)
  return Object.fromEntries(given)
}
