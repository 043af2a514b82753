import type { MiddlewareHandler } from 'hono'
import { AppError } from '../errors.ts'
import type { Clock } from '../time.ts'

/** Milliseconds that a request must be able to have, to be accepted. */
export const leastWork = 10_000
/** Milliseconds before the worker's end in which it stores what was said. */
export const timeToStore = 5_000

/**
 * The life of this worker. The platform bounds it from the worker's start, whatever the worker does
 * (Supabase, Edge Functions, Limits: wall clock).
 */
export class WorkerLife {
  readonly #clock: Clock
  readonly #seconds: () => number | null
  readonly #startedAt: number
  readonly #ending = new AbortController()
  #timer: unknown

  /**
   * @param seconds how long the platform lets a worker live; null without a bound. It is asked when a
   *   request needs it, and may throw AppError `not_configured`.
   */
  constructor(clock: Clock, seconds: () => number | null) {
    this.#clock = clock
    this.#seconds = seconds
    this.#startedAt = clock.now()
  }

  /** Aborts shortly before the worker ends: what runs then ends as interrupted. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Milliseconds that work may still take; Infinity without a bound. */
  left(): number {
    if (this.ending.aborted) return 0
    const seconds = this.#seconds()
    if (seconds === null) return Infinity
    const end = this.#startedAt + seconds * 1_000 - timeToStore
    return Math.max(0, end - this.#clock.now())
  }

  /** The platform said that it is about to end the worker. */
  end(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#ending.abort()
  }

  /** Refuses what cannot be finished before it costs anything. @throws AppError `worker_ending` */
  readonly accept: MiddlewareHandler = async (_, next) => {
    const left = this.left()
    if (left < leastWork) throw new AppError('worker_ending', { headers: { 'retry-after': '1' } })
    if (left !== Infinity) this.#timer ??= this.#clock.setTimeout(() => this.end(), left)
    await next()
  }
}
