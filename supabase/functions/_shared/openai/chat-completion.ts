import type { BegunExecution, FinishedExecution, RouteStep } from '../executions/execution.ts'
import type { FilePart, MessagePart, SourcePart, ToolCallPart } from '../models/model-protocol.ts'

/** The fields of every object of one answer. */
export interface ChatIdentity {
  readonly id: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly agent: string
}

export interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details?: { readonly cached_tokens: number }
  readonly completion_tokens_details?: { readonly reasoning_tokens: number }
}

/** The same for every answer to one request, repeated or not. */
export function identityOf({ execution_id, agent }: BegunExecution): ChatIdentity {
  // A uuid of version 7 begins with its time in milliseconds (RFC 9562, 5.7).
  const milliseconds = Number.parseInt(execution_id.replaceAll('-', '').slice(0, 12), 16)
  return {
    id: `chatcmpl-${execution_id}`,
    created: Math.floor(milliseconds / 1000),
    agent: agent.name,
  }
}

/** A model as clients of this endpoint name it. */
export function modelId(agent: string, model: string | undefined | null): string {
  return model === undefined || model === null ? agent : `${agent}/${model}`
}

/** The name of the model that is answering; the first of the route before one is. */
export function modelOf({ agent }: ChatIdentity, step: RouteStep | undefined): string {
  return modelId(agent, step?.name)
}

/** The whole answer as a `chat.completion` object. */
export function toChatCompletion(identity: ChatIdentity, stored: FinishedExecution): object {
  const usage = toChatUsage(stored)
  return {
    id: identity.id,
    object: 'chat.completion',
    created: identity.created,
    model: modelId(identity.agent, stored.model),
    choices: [
      {
        index: 0,
        message: toChatMessage(stored),
        logprobs: null,
        finish_reason: finishReasonOf(stored),
      },
    ],
    ...(usage && { usage }),
    // No provider is known to be the same from one answer to the next; some clients require the key.
    system_fingerprint: null,
  }
}

/** What was said, each kind of it in its own field. */
function toChatMessage({ message }: FinishedExecution): object {
  const parts = partsOf(message)
  const calls = parts.filter((part) => part.type === 'tool_call')
  const images = parts.flatMap((part) => (part.type === 'image' ? [part] : []))
  const sources = parts.filter((part) => part.type === 'source')
  const refusal = textOf(parts, 'refusal')
  const content = textOf(parts, 'text')
  const isElsewhere = content === '' && (calls.length > 0 || refusal !== '')
  return {
    role: 'assistant',
    content: isElsewhere ? null : content,
    refusal: refusal === '' ? null : refusal,
    ...toReasoning(textOf(parts, 'reasoning')),
    ...(images.length > 0 && { images: images.map(toImage) }),
    ...(sources.length > 0 && { annotations: sources.map(toAnnotation) }),
    ...(calls.length > 0 && { tool_calls: calls.map(toToolCall) }),
  }
}

/** The parts of a stored message; one without any is its text. */
export function partsOf(message: FinishedExecution['message']): readonly MessagePart[] {
  if (message?.parts) return message.parts as readonly MessagePart[]
  const { content = '' } = message ?? {}
  return content === '' ? [] : [{ type: 'text', text: content }]
}

export function textOf(
  parts: readonly MessagePart[],
  type: 'text' | 'refusal' | 'reasoning',
): string {
  return parts.map((part) => (part.type === type ? part.text : '')).join('')
}

/** Thoughts, by the names that OpenRouter's clients and those for DeepSeek and vLLM know. */
export function toReasoning(text: string): object {
  return text === '' ? {} : { reasoning: text, reasoning_content: text }
}

/** A picture as OpenRouter gives it; OpenAI's chat completions have no place for one. */
export function toImage({ url }: Pick<FilePart, 'url'>, index: number): object {
  return { type: 'image_url', image_url: { url }, index }
}

/** A source as OpenAI cites it. */
export function toAnnotation({ url, title, start_index, end_index }: SourcePart): object {
  const place = { start_index: start_index ?? 0, end_index: end_index ?? 0 }
  return { type: 'url_citation', url_citation: { url, title: title ?? url, ...place } }
}

/**
 * The reason for the end, in OpenAI's values or ours: `other` (a reason for which OpenAI has no
 * value) stays, because `stop` would be wrong.
 */
export function finishReasonOf({ finish_reason }: FinishedExecution): string {
  return finish_reason ?? 'other'
}

/** The ledger's counts for it; null when the provider reported none. */
export function toChatUsage({ usage }: FinishedExecution): ChatUsage | null {
  const { input_tokens: input, output_tokens: output, total_tokens: total } = usage
  if (input === null || output === null) return null
  const { cached_input_tokens: cached = null, reasoning_tokens: reasoning = null } = usage
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: total ?? input + output,
    ...(cached !== null && { prompt_tokens_details: { cached_tokens: cached } }),
    ...(reasoning !== null && { completion_tokens_details: { reasoning_tokens: reasoning } }),
  }
}

/** A call with what its model must be sent back with it (signatures of thoughts), if anything. */
export function toToolCall({ id, name, arguments: args, provider_metadata }: ToolCallPart) {
  return {
    id,
    type: 'function',
    function: { name, arguments: args },
    ...(provider_metadata && { extra_content: { provider_metadata } }),
  }
}
