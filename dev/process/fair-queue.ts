/**
 * Lets so many requests of one key be answered at once; further ones wait in this process, where
 * they cost neither a connection nor time. Of other keys' requests it holds up none.
 */
export class FairQueue {
  readonly #atOnce: number
  readonly #mostWaiting: number
  /** Only of keys with a request under way. */
  readonly #lines = new Map<string, { running: number; waiting: (() => void)[] }>()

  constructor(atOnce: number, mostWaiting: number) {
    this.#atOnce = atOnce
    this.#mostWaiting = mostWaiting
  }

  /** Does `work` in its turn; `refuse` is the answer where too many wait already. */
  async run<Result>(
    key: string,
    work: () => Promise<Result>,
    refuse: () => Result,
  ): Promise<Result> {
    const line = this.#lines.get(key) ?? { running: 0, waiting: [] }
    this.#lines.set(key, line)
    if (line.running < this.#atOnce) line.running++
    else if (line.waiting.length >= this.#mostWaiting) return refuse()
    // The one that ends hands its place on, so `running` stays as it is.
    else await new Promise<void>((resolve) => line.waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = line.waiting.shift()
      if (next !== undefined) next()
      else if (--line.running === 0) this.#lines.delete(key)
    }
  }
}
