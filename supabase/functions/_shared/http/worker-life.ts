import type { MiddlewareHandler } from 'hono'
import { AppError } from '../errors.ts'
import type { Clock } from '../time.ts'

/**
 * The part of its life in which a worker works. The platform's runtime says at this age that the
 * worker ends (supabase/edge-runtime, `beforeunload` at 90 % of the wall clock).
 */
export const workingShare = 0.9

/**
 * The life of this worker. The platform bounds it from the worker's start, whatever the worker does,
 * and gives it no request in the second half (Supabase, Edge Functions, Limits: wall clock).
 */
export class WorkerLife {
  readonly #clock: Clock
  readonly #readSeconds: () => number | null
  readonly #startedAt: number
  /** Undefined before the first request; null without a bound. */
  #seconds: number | null | undefined
  #timer: unknown
  #ending = new AbortController()
  #isOver = false

  /**
   * @param seconds how long the platform lets a worker live; null without a bound. It is asked once,
   *   when a request needs it, and may throw AppError `not_configured`.
   */
  constructor(clock: Clock, seconds: () => number | null) {
    this.#clock = clock
    this.#readSeconds = seconds
    this.#startedAt = clock.now()
  }

  /** Aborts when the worker is about to end: what runs then ends as interrupted. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Milliseconds that work may still take; Infinity without a bound. */
  left(): number {
    if (this.ending.aborted) return 0
    const seconds = this.#bound()
    if (seconds === null) return Infinity
    const end = this.#startedAt + seconds * 1_000 * workingShare
    return Math.max(0, end - this.#clock.now())
  }

  /** The platform said that it is about to end the worker. */
  end(): void {
    this.#isOver = true
    this.#clock.clearTimeout(this.#timer)
    this.#ending.abort()
  }

  /**
   * For requests that begin an execution. A request in the second half shows that the bound is
   * another one than we were told: from then on only the platform's word ends the worker's work.
   * @throws AppError `worker_ending` after that word
   */
  readonly begin: MiddlewareHandler = async (_, next) => {
    if (this.#isOver) throw new AppError('worker_ending')
    const seconds = this.#bound()
    if (seconds !== null) {
      const isLate = this.#clock.now() - this.#startedAt > (seconds * 1_000) / 2
      if (isLate) this.#forgetBound()
      else this.#timer ??= this.#clock.setTimeout(() => this.#ending.abort(), this.left())
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
    // The presumed end may have come while no request did.
    if (this.ending.aborted) this.#ending = new AbortController()
  }
}
