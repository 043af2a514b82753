import type { MiddlewareHandler } from 'hono'
import type { VerifyAccessToken } from '../auth/access-token.ts'
import { PersonLimit } from './person-limit.ts'
import { readJson, type ReadLimit } from './read-json.ts'

/** Requests of one person that a function answers at once. */
export const maxRequests = 100

/** Bytes of these requests, with the files that they name: a worker has 256 MB for all people. */
export const maxRequestBytes = 20 * 1024 * 1024

interface Held {
  readonly userId: string
  readonly leave: (() => void)[]
}

/** Bounds the requests of one person that this worker answers at once, streams aside. */
export class RequestLimit {
  readonly #requests: PersonLimit
  readonly #bytes = new PersonLimit('request_bytes', maxRequestBytes)
  readonly #verify: VerifyAccessToken
  /** By the headers of the request that holds the place. */
  readonly #held = new WeakMap<Headers, Held>()

  constructor(verify: VerifyAccessToken, max: number) {
    this.#verify = verify
    this.#requests = new PersonLimit('requests', max)
  }

  /** Verifies, and takes a place for the person. @throws AppError also `too_many_requests` */
  readonly verifyAccessToken: VerifyAccessToken = async (headers) => {
    const caller = await this.#verify(headers)
    const { userId } = caller
    this.#held.set(headers, { userId, leave: [this.#requests.enter(userId)] })
    return caller
  }

  /**
   * Reads the body of a request whose person is verified, which counts until the request has its answer.
   * @throws AppError as readJson(), and `too_many_requests`
   */
  readonly readJson = (request: Request, limit: ReadLimit): Promise<unknown> => {
    return readJson(request, { ...limit, take: (bytes) => this.hold(request, bytes) })
  }

  /**
   * Counts bytes that the request makes the worker hold beside its body, until it has its answer.
   * @throws AppError `too_many_requests`
   */
  hold(request: Request, bytes: number): void {
    const held = this.#held.get(request.headers)
    if (held === undefined) throw new Error('bytes are held before their person is known')
    held.leave.push(this.#bytes.enter(held.userId, bytes))
  }

  /** Frees the place when the request has its answer; the bodies of streams have limits of their own. */
  readonly release: MiddlewareHandler = async (c, next) => {
    try {
      await next()
    } finally {
      for (const leave of this.#held.get(c.req.raw.headers)?.leave ?? []) leave()
    }
  }
}
