import type { FinishedExecution } from '../executions/execution.ts'
import type { ModelEvent, ToolCallPart } from '../models/model-protocol.ts'
import {
  type ChatIdentity,
  finishReasonOf,
  toChatUsage,
  toolCallsOf,
  toToolCall,
} from './chat-completion.ts'
import type { OpenAiErrorBody } from './openai-error.ts'

export const chatStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
} as const

/**
 * Writes one answer as `chat.completion.chunk` events. Methods return the text of their events.
 * https://platform.openai.com/docs/api-reference/chat-streaming
 */
export class ChatChunks {
  readonly #identity: ChatIdentity
  readonly #includeUsage: boolean
  #begun = false
  #toolCalls = 0

  constructor(identity: ChatIdentity, includeUsage: boolean) {
    this.#identity = identity
    this.#includeUsage = includeUsage
  }

  /** What one upstream read brought, as one text to write. Thoughts are not part of the protocol. */
  answer(model: string, events: readonly ModelEvent[]): string {
    let text = ''
    for (const event of events) {
      if (event.type === 'text' && event.text !== '') {
        text += this.#begin(model, '') + this.#delta(model, { content: event.text })
      } else if (event.type === 'tool_call') {
        const { type, id, name, arguments: args, metadata } = event
        const call = { type, id, name, arguments: args }
        text += this.#toolCall(model, metadata ? { ...call, provider_metadata: metadata } : call)
      }
    }
    return text
  }

  /** An answer that came before, whole. */
  repeat(model: string, { message }: FinishedExecution): string {
    const content = message?.content ?? ''
    let text = content === '' ? '' : this.answer(model, [{ type: 'text', text: content }])
    for (const call of toolCallsOf(message)) text += this.#toolCall(model, call)
    return text
  }

  /** The end of an answer that is stored as complete. */
  finish(model: string, stored: FinishedExecution): string {
    const choice = { index: 0, delta: {}, logprobs: null, finish_reason: finishReasonOf(stored) }
    return (
      this.#begin(model, '') +
      this.#chunk(model, [choice], null) +
      (this.#includeUsage ? this.#chunk(model, [], toChatUsage(stored)) : '') +
      'data: [DONE]\n\n'
    )
  }

  /** The end of an answer that failed: OpenAI's clients throw it, and no `[DONE]` follows. */
  error(body: OpenAiErrorBody): string {
    return `data: ${JSON.stringify(body)}\n\n`
  }

  #begin(model: string, content: string | null): string {
    if (this.#begun) return ''
    this.#begun = true
    return this.#delta(model, { role: 'assistant', content, refusal: null })
  }

  // First the call, then its arguments: the order in which clients tell the two apart.
  #toolCall(model: string, part: ToolCallPart): string {
    const { function: called, ...call } = toToolCall(part)
    const index = this.#toolCalls
    this.#toolCalls += 1
    const named = { index, ...call, function: { name: called.name, arguments: '' } }
    return (
      this.#begin(model, null) +
      this.#delta(model, { tool_calls: [named] }) +
      this.#delta(model, { tool_calls: [{ index, function: { arguments: called.arguments } }] })
    )
  }

  #delta(model: string, delta: object): string {
    return this.#chunk(model, [{ index: 0, delta, logprobs: null, finish_reason: null }], null)
  }

  #chunk(model: string, choices: readonly object[], usage: object | null): string {
    const { id, created } = this.#identity
    const object = 'chat.completion.chunk'
    const chunk = { id, object, created, model, system_fingerprint: null, choices }
    return `data: ${JSON.stringify(this.#includeUsage ? { ...chunk, usage } : chunk)}\n\n`
  }
}
