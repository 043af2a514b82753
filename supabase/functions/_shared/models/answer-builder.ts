import { ModelError } from './model-error.ts'
import type { FinishReason, ModelEvent, ModelUsage, ProviderMetadata } from './model-protocol.ts'

/** Calls of one answer, and characters of their arguments together: far more than models can say. */
const maxToolCalls = 1_000
const maxToolCallLength = 4 * 1024 * 1024

interface ToolCallDraft {
  id: string | null
  name: string
  arguments: string
  metadata: ProviderMetadata | undefined
}

export interface ToolCallDelta {
  id?: string | null
  name?: string | null
  arguments?: string | null
  metadata?: ProviderMetadata
}

/**
 * Turns what a decoder finds in the frames of one answer into batches of events, and holds the
 * rule of the one truthful end: only `end` makes a `finish`, and only of a provider's reason.
 */
export class AnswerBuilder {
  /** Grows with every piece of output; keep-alives and empty deltas leave it alone. */
  progress = 0
  requestId: string | null
  #model: string | null = null
  #started = false
  #batch: ModelEvent[] = []
  #usage: ModelUsage | null = null
  #usageChanged = false
  #reason: { reason: FinishReason; rawReason: string } | null = null
  #reasonRevoked = false
  #hasText = false
  readonly #toolCalls = new Map<number, ToolCallDraft>()
  #toolCallLength = 0
  readonly #newId: () => string

  /**
   * @param requestId the id from the response's headers, when it has one
   * @param newId makes ids for tool calls of providers that give none
   */
  constructor(requestId: string | null, newId: () => string) {
    this.requestId = requestId
    this.#newId = newId
  }

  /** Whether a finish reason was seen, so that what remains is usage and the end mark. */
  get finishing(): boolean {
    return this.#reason !== null
  }

  /** The ids of the first frame that has them. */
  identify(requestId: string | null, model: string | null): void {
    this.requestId ??= requestId
    this.#model ??= model
  }

  text(text: string, metadata?: ProviderMetadata): void {
    if (text !== '') this.#hasText = true
    this.#piece('text', text, metadata)
  }

  reasoning(text: string, metadata?: ProviderMetadata): void {
    this.#piece('reasoning', text, metadata)
  }

  /**
   * Adds to the call at `index`; it is emitted at the end, whole or not at all.
   * @throws ModelError `provider_malformed_response` for calls without an end
   */
  toolCall(index: number, delta: ToolCallDelta): void {
    this.#output()
    let draft = this.#toolCalls.get(index)
    if (draft === undefined) {
      draft = { id: null, name: '', arguments: '', metadata: undefined }
      this.#toolCalls.set(index, draft)
    }
    this.#toolCallLength += delta.arguments?.length ?? 0
    // A client sees a call only at its end, so only this check notices that the end never comes.
    if (this.#toolCalls.size > maxToolCalls || this.#toolCallLength > maxToolCallLength) {
      throw new ModelError('provider_malformed_response', { detail: 'tool calls without an end' })
    }
    draft.id ??= delta.id ?? null
    draft.name ||= delta.name ?? ''
    draft.arguments += delta.arguments ?? ''
    draft.metadata ??= delta.metadata
  }

  /** Replaces the usage reported so far. */
  usage(usage: ModelUsage): void {
    this.#usage = usage
    this.#usageChanged = true
  }

  /** Notes the provider's reason; a repeated one is ignored. */
  finish(reason: FinishReason, rawReason: string): void {
    this.#reason ??= { reason, rawReason }
  }

  /** The events since the last batch; empty while there is no output to show. */
  takeBatch(): ModelEvent[] {
    if (this.progress === 0) return []
    if (!this.#started) {
      this.#started = true
      this.#batch.unshift({ type: 'start', requestId: this.requestId, model: this.#model })
    }
    if (this.#usage !== null && this.#usageChanged) {
      this.#batch.push({ type: 'usage', usage: this.#usage })
      this.#usageChanged = false
    }
    const batch = this.#batch
    this.#batch = []
    return batch
  }

  /**
   * The last batch, which ends with `finish`.
   *
   * @param cut the connection broke, as opposed to an orderly end of the body
   * @throws ModelError `provider_stream_truncated` without a finish reason,
   *   `provider_empty_response` when there is nothing to show for it
   */
  end(cut: boolean): ModelEvent[] {
    const reason = this.#reason
    // Old Gemini models put STOP into every frame; there a reason proves nothing after a cut.
    if (reason === null || (cut && this.#reasonRevoked)) {
      throw new ModelError('provider_stream_truncated', {
        detail: reason === null ? 'no finish reason' : 'cut after a finish reason that recurs',
      })
    }
    const whole = reason.reason === 'stop' || reason.reason === 'tool_calls'
    const toolCalls = whole ? [...this.#toolCalls.entries()].sort(([a], [b]) => a - b) : []
    const mayBeEmpty = reason.reason === 'content_filter' || reason.reason === 'length'
    if (!this.#hasText && toolCalls.length === 0 && !mayBeEmpty) {
      // The provider did its part: a stop sequence or the caller's own words ("say nothing") can bring
      // this about, and must not open a breaker that every organization shares.
      const detail = `finish: ${reason.rawReason}`
      throw new ModelError('provider_empty_response', { detail, fault: 'platform' })
    }
    if (toolCalls.some(([, { name }]) => name === '')) {
      throw new ModelError('provider_malformed_response', { detail: 'tool call without a name' })
    }
    for (const [, draft] of toolCalls) this.#emitToolCall(draft)
    this.progress += 1
    const batch = this.takeBatch()
    const calls = toolCalls.length > 0
    batch.push({ type: 'finish', ...reason, reason: calls ? 'tool_calls' : reason.reason })
    return batch
  }

  #emitToolCall(draft: ToolCallDraft): void {
    this.#batch.push({
      type: 'tool_call',
      id: draft.id ?? `call_${this.#newId()}`,
      name: draft.name,
      arguments: draft.arguments === '' ? '{}' : draft.arguments,
      ...(draft.metadata === undefined ? {} : { metadata: draft.metadata }),
    })
  }

  #piece(type: 'text' | 'reasoning', text: string, metadata?: ProviderMetadata): void {
    if (text !== '') this.#output()
    else if (metadata === undefined) return
    const last = this.#batch.at(-1)
    if (last?.type === type && last.metadata === undefined && metadata === undefined) {
      last.text += text
      return
    }
    this.#batch.push({ type, text, ...(metadata === undefined ? {} : { metadata }) })
  }

  #output(): void {
    this.progress += 1
    if (this.#reason === null) return
    // More output after a reason: that reason was not the end.
    this.#reason = null
    this.#reasonRevoked = true
  }
}
