import { AppError } from '../errors.ts'

/** Bounds what one person does at once in this worker; another worker counts for itself. */
export class PersonLimit {
  readonly #name: string
  readonly #max: number
  /** Only of people who do something now. */
  readonly #held = new Map<string, number>()

  /**
   * @param name how `details.limit` of the refusal calls it
   * @param max of all that a person takes at once
   */
  constructor(name: string, max: number) {
    this.#name = name
    this.#max = max
  }

  /**
   * Takes one place or more, and gives the function that frees them, once.
   * @throws AppError `too_many_requests`
   */
  enter(userId: string, places = 1): () => void {
    const held = this.#held.get(userId) ?? 0
    if (held + places > this.#max) {
      throw new AppError('too_many_requests', {
        headers: { 'retry-after': '2' },
        details: { limit: this.#name, max_concurrent: this.#max },
      })
    }
    this.#held.set(userId, held + places)
    let left = false
    return () => {
      if (left) return
      left = true
      const rest = (this.#held.get(userId) ?? places) - places
      if (rest > 0) this.#held.set(userId, rest)
      else this.#held.delete(userId)
    }
  }
}
