/** The time for which another key's request counts as under way after it began or ended. */
const RECENT_MS = 1_000

/** A line with a backlog works for at most a part of the time: one in `1 + PAUSES`. */
const PAUSES = 3
const LONGEST_PAUSE_MS = 250

/** The delay of a refusal: a client that asks again at once does not ask more often than this. */
const REFUSAL_MS = 1_000

interface Line {
  running: number
  waiting: (() => void)[]
}

interface Activity {
  key: string
  at: number
}

/**
 * Answers a limited number of requests of one key at once. Further requests wait in this process,
 * where they take no connection and no time. While other keys also have requests, a line with
 * waiting requests makes a pause after each one: one process serves all callers, and the most
 * frequent caller would otherwise take most of its time.
 */
export class FairQueue {
  readonly #atOnce: number
  readonly #mostWaiting: number
  readonly #now: () => number
  readonly #after: (ms: number, act: () => void) => void
  /** Only of keys with a request under way. */
  readonly #lines = new Map<string, Line>()
  /** The last request of all, and the last one of a key other than its. */
  #last: Activity = { key: '', at: -Infinity }
  #other: Activity = { key: '', at: -Infinity }

  constructor(
    atOnce: number,
    mostWaiting: number,
    now: () => number = () => performance.now(),
    after: (ms: number, act: () => void) => void = (ms, act) => void setTimeout(act, ms),
  ) {
    this.#atOnce = atOnce
    this.#mostWaiting = mostWaiting
    this.#now = now
    this.#after = after
  }

  /**
   * Does `work` in its turn.
   *
   * @param refuse the answer where too many wait already, or for a request whose client left
   * @param left aborted when the client leaves: a request that still waits then is never begun
   */
  async run<Result>(
    key: string,
    work: () => Promise<Result>,
    refuse: () => Result,
    left?: AbortSignal,
  ): Promise<Result> {
    const line = this.#lines.get(key) ?? { running: 0, waiting: [] }
    this.#lines.set(key, line)
    this.#note(key)
    if (line.running < this.#atOnce) line.running++
    else if (line.waiting.length >= this.#mostWaiting) {
      await new Promise<void>((resolve) => this.#after(REFUSAL_MS, resolve))
      return refuse()
    } else if (!(await this.#turn(line, left))) return refuse()
    const start = this.#now()
    try {
      return await work()
    } finally {
      this.#note(key)
      const pause = Math.min((this.#now() - start) * PAUSES, LONGEST_PAUSE_MS)
      if (line.waiting.length > 0 && this.#othersCome(key)) {
        this.#after(pause, () => this.#handOn(key, line))
      } else this.#handOn(key, line)
    }
  }

  /** Whether the turn came before the client left. */
  #turn({ waiting }: Line, left: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      if (left?.aborted) return resolve(false)
      const leave = () => {
        waiting.splice(waiting.indexOf(begin), 1)
        resolve(false)
      }
      const begin = () => {
        left?.removeEventListener('abort', leave)
        resolve(true)
      }
      left?.addEventListener('abort', leave, { once: true })
      waiting.push(begin)
    })
  }

  /** The next request takes the place of the ended one, so `running` does not change. */
  #handOn(key: string, line: Line): void {
    const next = line.waiting.shift()
    if (next !== undefined) next()
    else if (--line.running === 0) this.#lines.delete(key)
  }

  #note(key: string): void {
    if (key !== this.#last.key) this.#other = this.#last
    this.#last = { key, at: this.#now() }
  }

  #othersCome(key: string): boolean {
    const { at } = key === this.#last.key ? this.#other : this.#last
    return this.#now() - at < RECENT_MS
  }
}
