import type { Clock } from '../../supabase/functions/_shared/time.ts'

/** Milliseconds from which a timer is the limit of a whole piece of work, and no pause in it. */
const limit = 100_000

/** A clock on which pauses are over at once, in order; time passes only by them. Limits never pass. */
export function fakeClock(): Clock & { readonly pauses: number[] } {
  let time = 1_000_000
  const pauses: number[] = []
  return {
    pauses,
    now: () => time,
    setTimeout(callback, milliseconds) {
      if (milliseconds >= limit) return null
      pauses.push(milliseconds)
      return setImmediate(() => {
        time += milliseconds
        callback()
      })
    },
    clearTimeout: (handle) => clearImmediate(handle as NodeJS.Immediate | undefined),
  }
}

/** A clock whose timers never fire. */
export const stoppedClock: Clock = {
  now: () => 1_000_000,
  setTimeout: () => null,
  clearTimeout: () => undefined,
}

interface Timer {
  at: number
  callback: () => void
}

/** A clock that moves only when told to. */
export class ManualClock implements Clock {
  #now: number
  readonly #timers = new Set<Timer>()

  constructor(now = 1_750_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  get timers(): number {
    return this.#timers.size
  }

  setTimeout(callback: () => void, milliseconds: number): unknown {
    const timer = { at: this.#now + milliseconds, callback }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as Timer)
  }

  /** Lets this much time pass, firing what is due in order. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.callback()
    }
    this.#now = until
  }
}
