import { type SseEvent, SseParser } from '../http/sse.ts'
import { ByteReader } from './byte-reader.ts'
import type { StreamDecoder } from './model-adapter.ts'
import type { ModelCall } from './model-call.ts'
import { ModelError } from './model-error.ts'
import type { ModelEvent } from './types.ts'

/** After the end mark the body may still end in order, which keeps the connection for others. */
const DRAIN_MS = 1_000

/** Reads the body of one stream: every upstream read becomes at most one batch of events. */
export class AnswerReader {
  readonly #call: ModelCall
  readonly #reader: ByteReader
  readonly #decoder: StreamDecoder
  readonly #parser = new SseParser()
  readonly #frames: SseEvent[] = []
  #failed: { error: unknown } | null = null
  #over = false

  constructor(call: ModelCall, body: ReadableStream<Uint8Array>, decoder: StreamDecoder) {
    this.#call = call
    this.#reader = new ByteReader(body)
    this.#decoder = decoder
  }

  /** The next non-empty batch, or null after the one with `finish`. */
  async next(): Promise<ModelEvent[] | null> {
    if (this.#failed !== null) throw this.#failed.error
    if (this.#over) return null
    for (;;) {
      const read = await this.#read()
      if (read === 'end' || read === 'cut') return this.#end(read === 'cut')
      if (this.#decode(read)) return this.#end(false)
      const batch = this.#call.answer.takeBatch()
      if (batch.length > 0) return batch
      if (this.#failed !== null) throw (this.#failed as { error: unknown }).error
    }
  }

  /** Reads to the orderly end of the body, for a moment; true when it came. */
  async drain(): Promise<boolean> {
    this.#call.expect('provider_stalled', DRAIN_MS)
    try {
      for (;;) if ((await this.#reader.read()) === null) return true
    } catch {
      return false // The answer is complete; how its connection ends changes nothing.
    }
  }

  /** A broken connection is an end of its own only once the finish reason is known. */
  async #read(): Promise<Uint8Array | 'end' | 'cut'> {
    try {
      const read = this.#reader.read()
      return (await this.#call.transport(read, 'provider_stream_truncated')) ?? 'end'
    } catch (error) {
      if (this.#call.aborted || !this.#call.answer.finishing) throw error
      return 'cut'
    }
  }

  #end(cut: boolean): ModelEvent[] {
    const { answer } = this.#call
    this.#over = true
    try {
      return answer.end(cut)
    } catch (error) {
      // What the last read brought is handed out before the failure is told.
      const batch = answer.takeBatch()
      if (batch.length === 0) throw error
      this.#failed = { error }
      return batch
    }
  }

  /** Decodes what one read completes; true at the provider's end mark. */
  #decode(bytes: Uint8Array): boolean {
    const { answer, timeouts } = this.#call
    const progress = answer.progress
    const finishing = answer.finishing
    const frames = this.#frames
    frames.length = 0
    try {
      this.#parser.push(bytes, frames)
    } catch (error) {
      const detail = String(error)
      this.#failed = { error: new ModelError('provider_malformed_response', { detail }) }
    }
    try {
      for (const frame of frames) if (this.#decoder.decode(frame.data, answer)) return true
    } catch (error) {
      // What came before the broken frame is handed out first.
      this.#failed = { error }
    }
    if (answer.finishing && !finishing) this.#call.expect('provider_stalled', timeouts.trailerMs)
    else if (answer.progress > progress) {
      const left = answer.finishing ? timeouts.trailerMs : timeouts.betweenTokensMs
      this.#call.expect('provider_stalled', left)
    }
    return false
  }
}
