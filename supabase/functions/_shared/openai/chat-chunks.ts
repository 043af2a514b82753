import type { FinishedExecution } from '../executions/execution.ts'
import { toPartEvents } from '../executions/models.ts'
import type { ModelEvent, ToolCallEvent } from '../models/model-protocol.ts'
import {
  type ChatIdentity,
  finishReasonOf,
  partsOf,
  toAnnotation,
  toImage,
  toChatUsage,
  toReasoning,
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
  #images = 0
  /** Each call that was begun, by its id. */
  readonly #calls = new Map<string, { readonly index: number; hasArguments: boolean }>()

  constructor(identity: ChatIdentity, includeUsage: boolean) {
    this.#identity = identity
    this.#includeUsage = includeUsage
  }

  /** What one upstream read brought, as one text to write. */
  answer(model: string, events: readonly ModelEvent[]): string {
    let text = ''
    for (const event of events) text += this.#event(model, event)
    return text
  }

  /** An answer that came before, whole. */
  repeat(model: string, { message }: FinishedExecution): string {
    return this.answer(model, partsOf(message).flatMap(toPartEvents))
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

  #event(model: string, event: ModelEvent): string {
    switch (event.type) {
      case 'text':
        return event.text === '' ? '' : this.#said(model, '', { content: event.text })
      case 'reasoning':
        return event.text === '' ? '' : this.#said(model, '', toReasoning(event.text))
      case 'refusal':
        return this.#said(model, null, { refusal: event.text })
      case 'source':
        return this.#said(model, '', { annotations: [toAnnotation(event)] })
      case 'picture':
        return this.#said(model, '', { images: [toImage(event, this.#images++)] })
      case 'tool_call_delta': {
        const { id, name, arguments: args } = event
        return this.#callBegun(model, { id, name }) + this.#callArguments(model, id, args)
      }
      case 'tool_call':
        return this.#wholeCall(model, event)
      default:
        return ''
    }
  }

  #said(model: string, content: string | null, delta: object): string {
    return this.#begin(model, content) + this.#delta(model, delta)
  }

  /** A call whose pieces were sent as they came needs no more than what its model wants back. */
  #wholeCall(model: string, { id, name, arguments: args, metadata }: ToolCallEvent): string {
    const begun = this.#calls.get(id)
    const extra = metadata ? { extra_content: { provider_metadata: metadata } } : {}
    if (!begun) {
      return this.#callBegun(model, { id, name, extra }) + this.#callArguments(model, id, args)
    }
    const { index } = begun
    return (
      (begun.hasArguments ? '' : this.#callArguments(model, id, args)) +
      (metadata ? this.#delta(model, { tool_calls: [{ index, ...extra }] }) : '')
    )
  }

  // First the call, then its arguments: the order in which clients tell the two apart.
  #callBegun(
    model: string,
    {
      id,
      name,
      extra = {},
    }: { readonly id: string; readonly name: string; readonly extra?: object },
  ): string {
    if (this.#calls.has(id)) return ''
    const index = this.#calls.size
    this.#calls.set(id, { index, hasArguments: false })
    const { type, function: called } = toToolCall({ type: 'tool_call', id, name, arguments: '' })
    const call = { index, id, type, function: called, ...extra }
    return this.#said(model, null, { tool_calls: [call] })
  }

  #callArguments(model: string, id: string, args: string): string {
    const call = this.#calls.get(id)
    if (!call || args === '') return ''
    call.hasArguments = true
    const { index } = call
    return this.#delta(model, { tool_calls: [{ index, function: { arguments: args } }] })
  }

  #delta(model: string, delta: object): string {
    return this.#chunk(model, [{ index: 0, delta, logprobs: null, finish_reason: null }], null)
  }

  #chunk(model: string, choices: readonly object[], usage: object | null): string {
    const { id, created } = this.#identity
    const object = 'chat.completion.chunk'
    // Without system_fingerprint: a client that wants one in a whole answer refuses null in a piece.
    const chunk = { id, object, created, model, choices }
    return `data: ${JSON.stringify(this.#includeUsage ? { ...chunk, usage } : chunk)}\n\n`
  }
}
