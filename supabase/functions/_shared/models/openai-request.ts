import type { MessagePart, ModelMessage, ModelRequest, ResponseFormat } from './model-protocol.ts'
import { pictureText } from './pictures.ts'

type Json = Record<string, unknown>

/** The request options of an OpenAI-compatible service. */
export interface OpenAiDialect {
  provider: string
  /** OpenRouter has `usage: { include: true }`, everyone else `stream_options`. */
  openRouter: boolean
}

/**
 * The body of `POST /chat/completions`. `config.max_tokens_parameter` names another parameter
 * for the output limit, for models that refuse `max_tokens`.
 */
export function toChatCompletionRequest(
  request: ModelRequest,
  stream: boolean,
  dialect: OpenAiDialect,
): Json {
  const { params, config, tools, responseFormat } = request
  const body: Json = { model: request.model, messages: toChatMessages(request, dialect) }
  const limit = config['max_tokens_parameter']
  const maxTokens = limit === 'max_completion_tokens' ? limit : 'max_tokens'
  assign(body, {
    temperature: params.temperature,
    [maxTokens]: params.max_output_tokens,
    top_p: params.top_p,
    top_k: params.top_k,
    stop: params.stop,
    seed: params.seed,
    presence_penalty: params.presence_penalty,
    frequency_penalty: params.frequency_penalty,
    ...(dialect.openRouter
      ? { reasoning: params.reasoning_effort && { effort: params.reasoning_effort } }
      : { reasoning_effort: params.reasoning_effort }),
  })
  if (tools !== undefined && tools.length > 0) {
    body['tools'] = tools.map((tool) => ({ type: 'function', function: tool }))
    assign(body, {
      tool_choice: toToolChoice(request.toolChoice),
      parallel_tool_calls: request.parallelToolCalls,
    })
  }
  if (responseFormat !== undefined) body['response_format'] = toResponseFormat(responseFormat)
  if (dialect.openRouter) body['usage'] = { include: true }
  if (stream) assign(body, { stream, stream_options: { include_usage: true } })
  return body
}

function toToolChoice(choice: ModelRequest['toolChoice']): unknown {
  return typeof choice === 'object' ? { type: 'function', function: choice } : choice
}

function toResponseFormat({ type, ...schema }: ResponseFormat): Json {
  return type === 'json_object' ? { type } : { type, json_schema: schema }
}

function toChatMessages(request: ModelRequest, { provider }: OpenAiDialect): Json[] {
  const messages: Json[] = request.systemPrompts
    .filter((content) => content !== '')
    .map((content) => ({ role: 'system', content }))
  for (const message of request.messages) {
    if (message.role === 'tool') messages.push(...toToolMessages(message), ...toShown(message))
    else messages.push(...toChatMessage(message, request.model, provider))
  }
  return messages
}

function toToolMessages({ parts }: ModelMessage): Json[] {
  return (parts ?? []).flatMap((part) =>
    part.type === 'tool_result'
      ? [{ role: 'tool', tool_call_id: part.tool_call_id, content: part.content }]
      : [],
  )
}

/** What tools showed: results are texts alone in this protocol, so it follows as a user's message. */
function toShown({ parts }: ModelMessage): Json[] {
  const content = (parts ?? []).flatMap((part) => {
    if (part.type !== 'tool_result' || part.files === undefined) return []
    const text = `[What the tool call ${part.tool_call_id} (${part.name}) returned, in order:]`
    return [{ type: 'text', text }, ...part.files.flatMap(toContentPart)]
  })
  return content.length > 0 ? [{ role: 'user', content }] : []
}

/** No message at all for an empty one, such as a failed answer: providers reject those. */
function toChatMessage(message: ModelMessage, model: string, provider: string): Json[] {
  const { role, content } = message
  const parts = message.parts ?? []
  if (parts.length === 0) return content === '' ? [] : [{ role, content }]
  // An assistant's message has no place for pictures in this protocol.
  const said = role === 'assistant' ? parts.map(withoutPicture) : parts
  const shown = said.flatMap(toContentPart)
  const toolCalls = parts.flatMap(toToolCall)
  if (shown.length === 0 && toolCalls.length === 0) return []
  const result: Json = { role, content: joinText(shown) }
  if (toolCalls.length > 0) result['tool_calls'] = toolCalls
  const native = parts.flatMap((part) => reasoningDetails(part, model, provider))
  if (native.length > 0) result['reasoning_details'] = native
  return [result]
}

/** Plain text goes as a string, which every service understands. */
function joinText(parts: Json[]): string | Json[] | null {
  if (parts.length === 0) return null
  return parts.every((part) => part['type'] === 'text')
    ? parts.map((part) => part['text']).join('')
    : parts
}

function withoutPicture(part: MessagePart): MessagePart {
  return part.type === 'image' ? { type: 'text', text: pictureText(part.media_type) } : part
}

function toContentPart(part: MessagePart): Json[] {
  if (part.type === 'text' || part.type === 'refusal') {
    return part.text === '' ? [] : [{ type: 'text', text: part.text }]
  }
  if (part.type === 'image') {
    const detail = part.detail === undefined ? {} : { detail: part.detail }
    return [{ type: 'image_url', image_url: { url: part.url, ...detail } }]
  }
  if (part.type !== 'file') return []
  const filename = part.filename ?? 'file'
  return [{ type: 'file', file: { filename, file_data: part.url } }]
}

function toToolCall(part: MessagePart): Json[] {
  if (part.type !== 'tool_call') return []
  const { id, name } = part
  return [{ id, type: 'function', function: { name, arguments: part.arguments } }]
}

function reasoningDetails(part: MessagePart, model: string, provider: string): unknown[] {
  if (part.type !== 'reasoning') return []
  const metadata = part.provider_metadata
  if (metadata?.provider !== provider || metadata.model !== model) return []
  const details = metadata['reasoning_details']
  return Array.isArray(details) ? (details as unknown[]) : []
}

function assign(target: Json, values: Json): void {
  for (const [key, value] of Object.entries(values)) if (value !== undefined) target[key] = value
}
