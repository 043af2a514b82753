/** Time as an argument, so that tests of time-outs wait for nothing. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  setTimeout(callback: () => void, milliseconds: number): unknown
  clearTimeout(handle: unknown): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (handle) => clearTimeout(handle as number),
}

/**
 * One deadline that moves with every token. Moving it later costs an assignment: the timer looks
 * again when it fires, instead of being set anew for each of a stream's reads.
 */
export class Watchdog {
  readonly #clock: Clock
  readonly #expired: (reason: string) => void
  #deadline = Infinity
  #reason = ''
  #timer: { handle: unknown; at: number } | null = null

  /** @param expired called once with the reason of the deadline that passed */
  constructor(clock: Clock, expired: (reason: string) => void) {
    this.#clock = clock
    this.#expired = expired
  }

  /** Replaces the deadline: `reason` expires after this many milliseconds from now. */
  expect(reason: string, milliseconds: number): void {
    this.#reason = reason
    this.#deadline = this.#clock.now() + milliseconds
    if (this.#deadline === Infinity) return
    if (this.#timer === null || this.#timer.at > this.#deadline) this.#arm()
  }

  stop(): void {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer.handle)
    this.#timer = null
    this.#deadline = Infinity
  }

  #arm(): void {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer.handle)
    const wait = this.#deadline - this.#clock.now()
    const handle = this.#clock.setTimeout(() => this.#look(), wait)
    this.#timer = { handle, at: this.#deadline }
  }

  #look(): void {
    this.#timer = null
    if (this.#deadline === Infinity) return
    if (this.#clock.now() < this.#deadline) return this.#arm()
    this.stop()
    this.#expired(this.#reason)
  }
}

/** Aborts after some milliseconds, or when the given signal does. */
export function timeLimit(milliseconds: number, signal?: AbortSignal | null): AbortSignal {
  const limit = AbortSignal.timeout(milliseconds)
  // Node 20 collects a time limit that only AbortSignal.any refers to, and then nothing ends.
  limit.addEventListener('abort', () => undefined, { once: true })
  return signal ? AbortSignal.any([limit, signal]) : limit
}

/** Resolves after some milliseconds, or at once when the signal aborts; never rejects. */
export function sleep(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = () => {
      clock.clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimeout(end, milliseconds)
    signal?.addEventListener('abort', end)
  })
}

/** Waits for shared work without owning it: an abort ends the wait, not the work. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  if (signal.aborted) onAbort()
  try {
    // Also after an abort that came first: work that fails with nobody waiting would end the process.
    return await Promise.race([aborted, work])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
