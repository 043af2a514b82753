import type { AppError } from '../errors.ts'
import type { ModelEvent } from '../models/types.ts'
import type { BegunExecution, FinishedExecution } from './types.ts'

/** Headers of an AI SDK UI message stream, version 1, that no proxy may hold back. */
export const uiMessageStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
  'x-vercel-ai-ui-message-stream': 'v1',
} as const

/** Kinds of part whose text arrives in pieces. */
export type StreamedKind = 'text' | 'reasoning'

/**
 * Writes one answer as an AI SDK UI message stream (v1) over server-sent events. Every event has
 * an `id:`, its place in the stream counted from 1. Methods return the text of their events.
 * https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol
 */
export class UiMessageStreamWriter {
  #sequence = 0
  #parts = 0
  #open: { readonly kind: StreamedKind; readonly id: string } | null = null

  /** The first events: which message this is and which execution writes it. */
  start(execution: BegunExecution, model: string | undefined): string {
    return (
      this.#event({
        type: 'start',
        messageId: execution.response_message_id,
        messageMetadata: {
          execution_id: execution.execution_id,
          session_id: execution.session_id,
          agent: execution.agent.name,
          ...(model !== undefined && { model }),
        },
      }) + this.#event({ type: 'start-step' })
    )
  }

  /** What one upstream read brought, as one text to write. */
  answer(events: readonly ModelEvent[]): string {
    let text = ''
    for (const event of events) {
      if (event.type === 'text' || event.type === 'reasoning') {
        text += this.delta(event.type, event.text)
      }
    }
    return text
  }

  /** The next piece of a part; another kind than the last one's begins a new part. */
  delta(kind: StreamedKind, delta: string): string {
    if (delta === '') return ''
    let events = ''
    if (this.#open?.kind !== kind) {
      events = this.#closePart()
      this.#parts += 1
      this.#open = { kind, id: `${kind}-${this.#parts}` }
      events += this.#event({ type: `${kind}-start`, id: this.#open.id })
    }
    return events + this.#event({ type: `${kind}-delta`, id: this.#open?.id, delta })
  }

  #closePart(): string {
    if (!this.#open) return ''
    const { kind, id } = this.#open
    this.#open = null
    return this.#event({ type: `${kind}-end`, id })
  }

  /** The end of an answer that is stored as complete. */
  finish({ finish_reason, usage, cost_usd, model }: FinishedExecution): string {
    return (
      this.#closePart() +
      this.#event({ type: 'finish-step' }) +
      this.#event({
        type: 'finish',
        finishReason: finishReasons.get(finish_reason ?? '') ?? 'other',
        messageMetadata: { usage, finish_reason, cost_usd, ...(model !== null && { model }) },
      }) +
      this.#done()
    )
  }

  /** The end of an answer that someone cancelled. */
  abort(reason: string): string {
    return this.#closePart() + this.#event({ type: 'abort', reason }) + this.#done()
  }

  /** The end of an answer that failed: the code, a colon, and its sentence. */
  error({ code, message }: AppError): string {
    const errorText = `${code}: ${message}`
    return this.#closePart() + this.#event({ type: 'error', errorText }) + this.#done()
  }

  #event(event: { readonly type: string } & Readonly<Record<string, unknown>>): string {
    this.#sequence += 1
    return `id: ${this.#sequence}\ndata: ${JSON.stringify(event)}\n\n`
  }

  #done(): string {
    this.#sequence += 1
    return `id: ${this.#sequence}\ndata: [DONE]\n\n`
  }
}

// The AI SDK's words for ours; any other is `other`.
const finishReasons = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['content_filter', 'content-filter'],
  ['tool_calls', 'tool-calls'],
])
