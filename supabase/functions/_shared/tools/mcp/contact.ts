import { OutboundError } from '../../outbound/error.ts'
import type { OutboundFetch } from '../../outbound/outbound.ts'
import type { Clock } from '../../time.ts'

/** What the requests to one server show of it: whether it answers, and how long it was waited for. */
export class Contact {
  readonly #clock: Clock
  #asked = 0
  #answered = false
  #waits = 0
  #waitsSince = 0
  #waited = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether an answer came; null while no request is known to have left. */
  get reached(): boolean | null {
    if (this.#answered) return true
    return this.#asked > 0 ? false : null
  }

  /** Milliseconds that this backend waited for something of its own, such as a credential. */
  get ownTime(): number {
    return this.#waited + (this.isWaiting ? this.#clock.now() - this.#waitsSince : 0)
  }

  get isWaiting(): boolean {
    return this.#waits > 0
  }

  /** The same fetch, whose requests go to the server and are counted. */
  watch(fetch: OutboundFetch): OutboundFetch {
    return async (url, init) => {
      this.#asked += 1
      try {
        const response = await fetch(url, init)
        this.#answered = true
        return response
      } catch (error) {
        if (isOfRedirect(error)) this.#answered = true
        if (isRefused(error)) this.#asked -= 1
        throw error
      }
    }
  }

  /** Waits for work of this backend: the server is not silent meanwhile. */
  async aside<Result>(work: () => Promise<Result>): Promise<Result> {
    if (!this.isWaiting) this.#waitsSince = this.#clock.now()
    this.#waits += 1
    try {
      return await work()
    } finally {
      this.#waits -= 1
      if (!this.isWaiting) this.#waited += this.#clock.now() - this.#waitsSince
    }
  }
}

/** The guard followed an answer of the server. */
function isOfRedirect(error: unknown): boolean {
  if (!(error instanceof OutboundError)) return false
  return error.reason === 'forbidden_redirect' || error.reason === 'too_many_redirects'
}

/** The guard refused an address: the first, before any request, or one that an answer named. */
function isRefused(error: unknown): boolean {
  return error instanceof OutboundError && /^(forbidden_|host_not_allowed)/.test(error.reason)
}
