import { ModelError } from './model-error.ts'
import type {
  FinishReason,
  ModelEvent,
  ModelUsage,
  PictureEvent,
  ProviderMetadata,
  SourcePart,
} from './model-protocol.ts'
import { ToolCallDrafts, type ToolCallPiece } from './tool-call-drafts.ts'

/** Sources of one answer; a provider that names more is taken for broken, and the rest is left out. */
const maxSources = 500

/** Characters of all pictures of one answer in base64: 6 MB, which are several large ones. */
export const maxPictures = 8 * 1024 * 1024

/**
 * Turns what a decoder finds in the frames of one answer into batches of events, and holds the
 * rule of the one truthful end: only `end` makes a `finish`, and only of a provider's reason.
 */
export class AnswerBuilder {
  /** Grows with every piece of output; keep-alives, sources and empty deltas leave it alone. */
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
  #hasOutput = false
  readonly #toolCalls: ToolCallDrafts
  readonly #sources = new Set<string>()
  readonly #pictures = new Set<string>()
  #picturesLength = 0

  /**
   * @param requestId the id from the response's headers, when it has one
   * @param newId makes ids for tool calls of providers that give none, or one twice
   */
  constructor(requestId: string | null, newId: () => string) {
    this.requestId = requestId
    this.#toolCalls = new ToolCallDrafts(newId)
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

  refusal(text: string): void {
    if (text === '') return
    this.#output()
    this.#hasText = true
    const last = this.#batch.at(-1)
    if (last?.type === 'refusal') last.text += text
    else this.#batch.push({ type: 'refusal', text })
  }

  /**
   * Adds a picture, once: some services say all of an answer again at its end.
   * @throws ModelError `provider_unsupported_output` for more than an answer may have
   */
  picture(picture: PictureEvent): void {
    if (this.#pictures.has(picture.url)) return
    this.#pictures.add(picture.url)
    this.#picturesLength += picture.url.length
    if (this.#picturesLength > maxPictures) {
      const detail = `pictures of more than ${maxPictures} characters`
      throw new ModelError('provider_unsupported_output', { detail })
    }
    this.#output()
    this.#hasText = true
    this.#batch.push(picture)
  }

  /** Notes what the model read, once; an address of another scheme than http(s) is left out. */
  source(source: SourcePart): void {
    const { url, start_index, end_index } = source
    const place = JSON.stringify([url, start_index, end_index])
    const isNew = !this.#sources.has(place) && this.#sources.size < maxSources
    if (!isNew || !/^https?:\/\/[^\s]{1,4000}$/i.test(url)) return
    this.#sources.add(place)
    this.#batch.push(source)
  }

  /**
   * Adds a piece of a call; the whole call is emitted at the end, or not at all.
   * @throws ModelError `provider_malformed_response` for calls without an end
   */
  toolCall(piece: ToolCallPiece): void {
    this.#output()
    const shown = this.#toolCalls.add(piece)
    if (shown === null) return
    const last = this.#batch.at(-1)
    if (last?.type === 'tool_call_delta' && last.id === shown.id) last.arguments += shown.arguments
    else this.#batch.push(shown)
  }

  /** Adds a call that came in one piece. */
  wholeToolCall(piece: ToolCallPiece): void {
    this.#output()
    this.#toolCalls.addWhole(piece)
  }

  /** Adds to the usage reported so far: a count that is reported again replaces the one before. */
  usage(usage: ModelUsage): void {
    const { isEstimated: _, ...before } = this.#usage ?? usage
    const said = Object.entries(usage).filter(([, value]) => value !== null)
    this.#usage = { ...before, ...Object.fromEntries(said) }
    this.#usageChanged = true
  }

  /** What was reported so far, whatever becomes of the answer. */
  get reportedUsage(): ModelUsage | null {
    return this.#usage && this.#believable(this.#usage)
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
      this.#batch.push({ type: 'usage', usage: this.#believable(this.#usage) })
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
    const toolCalls = whole ? this.#toolCalls.whole() : []
    const mayBeEmpty = reason.reason === 'content_filter' || reason.reason === 'length'
    if (!this.#hasText && toolCalls.length === 0 && !mayBeEmpty) {
      // The provider did its part: a stop sequence or the caller's own words ("say nothing") can bring
      // this about, and must not open a breaker that every organization shares.
      const detail = `finish: ${reason.rawReason}`
      throw new ModelError('provider_empty_response', { detail, fault: 'platform' })
    }
    this.#batch.push(...toolCalls)
    this.progress += 1
    const batch = this.takeBatch()
    const calls = toolCalls.length > 0
    batch.push({ type: 'finish', ...reason, reason: calls ? 'tool_calls' : reason.reason })
    return batch
  }

  /** What was said was not free of tokens: 0 stands for "not counted" there. */
  #believable(usage: ModelUsage): ModelUsage {
    const isCounted = usage.outputTokens !== 0 || !this.#hasOutput
    return isCounted ? usage : { ...usage, outputTokens: null, totalTokens: null }
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
    this.#hasOutput = true
    if (this.#reason === null) return
    // More output after a reason: that reason was not the end.
    this.#reason = null
    this.#reasonRevoked = true
  }
}
