import { ByteReader } from './byte-reader.ts'
import type { StreamDecoder } from './model-adapter.ts'
import type { ModelCall } from './model-call.ts'
import { ModelError } from './model-error.ts'
import type { TakeEvents } from './model-protocol.ts'
import { type SseEvent, SseParser } from './sse.ts'

/** After the end mark the body may still end in order, which keeps the connection for others. */
const DRAIN_MS = 1_000

/** A pause that is shorter costs more than it saves. */
const shortestPause = 5
/** A read that brought as much is followed at once: the answer comes faster than a person reads. */
const muchAtOnce = 8 * 1024

/** Reads the body of one stream: every upstream read becomes at most one batch of events. */
export class AnswerReader {
  readonly #call: ModelCall
  readonly #reader: ByteReader
  readonly #decoder: StreamDecoder
  readonly #take: TakeEvents
  readonly #parser = new SseParser()
  readonly #frames: SseEvent[] = []
  #firstOutput = Infinity
  #lastRead = -Infinity
  #isMuch = false

  constructor(
    call: ModelCall,
    body: ReadableStream<Uint8Array>,
    decoder: StreamDecoder,
    take: TakeEvents,
  ) {
    this.#call = call
    this.#reader = new ByteReader(body)
    this.#decoder = decoder
    this.#take = take
  }

  /** Hands out batches as they come, the one with `finish` last. */
  async read(): Promise<void> {
    for (;;) {
      let bytes: Uint8Array | null
      await this.#pace()
      try {
        bytes = await this.#reader.read()
      } catch (error) {
        // A broken connection is an end of its own only once the finish reason is known.
        const { aborted, answer } = this.#call
        if (aborted || !answer.finishing) {
          throw this.#call.transportFailure(error, 'provider_stream_truncated')
        }
        return this.#end(true)
      }
      if (bytes === null || this.#decode(bytes)) return this.#end(false)
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

  /**
   * Waits until the next read is due. In the first moments after the first output the pauses are as
   * long as the output is old, so that a short answer comes as fast as it is made. The end of an answer
   * that says it is over is not waited for.
   */
  async #pace(): Promise<void> {
    const { readInterval, answer } = this.#call
    if (readInterval === 0) return
    const now = this.#call.now()
    const pause = Math.min(readInterval, now - this.#firstOutput) - (now - this.#lastRead)
    const isUrgent = this.#isMuch || answer.finishing
    if (pause >= shortestPause && !isUrgent) await this.#call.pause(pause)
    this.#lastRead = this.#call.now()
  }

  #end(cut: boolean): void {
    const { answer } = this.#call
    let last
    try {
      last = answer.end(cut)
    } catch (error) {
      this.#handOut()
      throw error
    }
    this.#take(last)
  }

  #handOut(): void {
    const batch = this.#call.answer.takeBatch()
    if (batch.length > 0) this.#take(batch)
  }

  /** Decodes and hands out what one read completes; true at the provider's end mark. */
  #decode(bytes: Uint8Array): boolean {
    const { answer, timeouts } = this.#call
    const { progress, finishing } = answer
    this.#isMuch = bytes.length >= muchAtOnce
    try {
      if (this.#decodeFrames(bytes)) return true
    } catch (error) {
      // What came before the broken frame is handed out first.
      this.#handOut()
      throw error
    }
    if (answer.finishing && !finishing) this.#call.expect('provider_stalled', timeouts.trailerMs)
    else if (answer.progress > progress) {
      if (progress === 0) this.#firstOutput = this.#call.now()
      const left = answer.finishing ? timeouts.trailerMs : timeouts.betweenTokensMs
      this.#call.expect('provider_stalled', left)
    }
    this.#handOut()
    return false
  }

  #decodeFrames(bytes: Uint8Array): boolean {
    const frames = this.#frames
    frames.length = 0
    let failure: ModelError | undefined
    try {
      this.#parser.push(bytes, frames)
    } catch (error) {
      failure = new ModelError('provider_malformed_response', { detail: String(error) })
    }
    for (const { data } of frames) {
      // Some keep a connection alive with events that say nothing.
      if (data.trim() !== '' && this.#decoder.decode(data, this.#call.answer)) return true
    }
    if (failure) throw failure
    return false
  }
}
