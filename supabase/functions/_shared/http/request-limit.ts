import type { MiddlewareHandler } from 'hono'
import type { VerifyAccessToken } from '../auth/access-token.ts'
import { PersonLimit } from './person-limit.ts'

/** Requests of one person that a function answers at once. */
export const maxRequests = 100

/** Bounds the requests of one person that this worker answers at once, streams aside. */
export class RequestLimit {
  readonly #limit: PersonLimit
  readonly #verify: VerifyAccessToken
  /** By the headers of the request that holds the place. */
  readonly #held = new WeakMap<Headers, () => void>()

  constructor(verify: VerifyAccessToken, max: number) {
    this.#verify = verify
    this.#limit = new PersonLimit('requests', max)
  }

  /** Verifies, and takes a place for the person. @throws AppError also `too_many_requests` */
  readonly verifyAccessToken: VerifyAccessToken = async (headers) => {
    const caller = await this.#verify(headers)
    this.#held.set(headers, this.#limit.enter(caller.userId))
    return caller
  }

  /** Frees the place when the request has its answer; the bodies of streams have limits of their own. */
  readonly release: MiddlewareHandler = async (c, next) => {
    try {
      await next()
    } finally {
      this.#held.get(c.req.raw.headers)?.()
    }
  }
}
