import type { Clock } from '../time.ts'
import type { AnswerBuilder } from './answer-builder.ts'
import type { EmbeddingInput, ModelRequest, ModelUsage } from './model-protocol.ts'
import type { EmbeddingAnswer } from './openai-embeddings.ts'

/** The HTTP request; always a POST of JSON. */
export interface WireRequest {
  url: string
  headers: Record<string, string>
  body: string
}

/** The outside functions that an adapter may use. */
export interface WireContext {
  fetch: typeof fetch
  clock: Clock
  /** Aborted when the caller gives up or a time-out passes. */
  signal: AbortSignal
}

/** Decodes the frames of one stream, in order. */
export interface StreamDecoder {
  /**
   * Adds what one SSE frame says to `answer`.
   *
   * @returns true at the provider's end mark, after which nothing counts
   * @throws ModelError for a malformed frame
   * @throws ProviderReportedError for an error object in the frame
   */
  decode(data: string, answer: AnswerBuilder): boolean
}

/** One provider's wire format, without any state of a call. */
export interface ModelAdapter {
  readonly provider: string
  prepare(
    request: ModelRequest,
    mode: 'stream' | 'complete',
    context: WireContext,
  ): Promise<WireRequest>
  createDecoder(request: ModelRequest): StreamDecoder
  /** Adds what a whole answer says to `answer`; throws like StreamDecoder.decode. */
  decodeAnswer(body: unknown, request: ModelRequest, answer: AnswerBuilder): void
  readonly embeddings: EmbeddingWire
  /** The provider's id of the answer from the response's headers. */
  requestIdOf(headers: Headers): string | null
  /** Values that must never reach a log, as they are now. */
  secrets(): readonly string[]
  /** Told when the provider refused the credential of a request, so that a cached one is dropped. */
  credentialRefused?(): void
}

/** How one provider makes vectors. */
export interface EmbeddingWire {
  /** The requests for all texts, in their order. */
  batches(model: string, embed: EmbeddingInput): readonly EmbeddingInput[]
  /** What an answer says it used, whatever else it says. */
  usageOf(body: unknown): ModelUsage | null
  /** @throws ModelError `provider_malformed_response` */
  read(body: unknown, asked: EmbeddingInput): EmbeddingAnswer
}

/** An error object found inside an answer; the holder of the secrets makes a ModelError of it. */
export class ProviderReportedError extends Error {
  override readonly name = 'ProviderReportedError'

  constructor(readonly reported: unknown) {
    super('the provider reported an error inside its answer')
  }
}
