import type { MiddlewareHandler } from 'hono'
import type { Clock } from '../time.ts'

/** Milliseconds before the worker's end in which it stores what was said. */
export const timeToStore = 5_000

/**
 * The life of this worker. The platform bounds it from the worker's start, whatever the worker does,
 * and gives it no request in the second half (Supabase, Edge Functions, Limits: wall clock).
 */
export class WorkerLife {
  readonly #clock: Clock
  readonly #readSeconds: () => number | null
  readonly #startedAt: number
  readonly #ending = new AbortController()
  /** Undefined before the first request; null without a bound. */
  #seconds: number | null | undefined
  #timer: unknown

  /**
   * @param seconds how long the platform lets a worker live; null without a bound. It is asked once,
   *   when a request needs it, and may throw AppError `not_configured`.
   */
  constructor(clock: Clock, seconds: () => number | null) {
    this.#clock = clock
    this.#readSeconds = seconds
    this.#startedAt = clock.now()
  }

  /** Aborts shortly before the worker ends: what runs then ends as interrupted. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Milliseconds that work may still take; Infinity without a bound. */
  left(): number {
    if (this.ending.aborted) return 0
    const seconds = this.#bound()
    if (seconds === null) return Infinity
    return Math.max(0, this.#startedAt + seconds * 1_000 - timeToStore - this.#clock.now())
  }

  /** The platform said that it is about to end the worker. */
  end(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#ending.abort()
  }

  /**
   * For requests that begin an execution. A request in the second half shows that the bound is
   * another one than we were told: from then on only the platform's word ends the worker's work.
   */
  readonly begin: MiddlewareHandler = async (_, next) => {
    const seconds = this.#bound()
    if (seconds !== null) {
      const isLate = this.#clock.now() - this.#startedAt > (seconds * 1_000) / 2
      if (isLate) this.#forgetBound()
      else this.#timer ??= this.#clock.setTimeout(() => this.end(), this.left())
    }
    await next()
  }

  #bound(): number | null {
    if (this.#seconds === undefined) this.#seconds = this.#readSeconds()
    return this.#seconds
  }

  #forgetBound(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#seconds = null
  }
}
