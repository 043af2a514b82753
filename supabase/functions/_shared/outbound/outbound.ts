import { timeLimit } from '../time.ts'
import { dial, type DialRequest } from './dial.ts'
import { OutboundError } from './error.ts'
import { giveUp } from './give-up.ts'
import { documentLimits, type OutboundLimits } from './limits.ts'
import { redirectedRequest } from './redirect.ts'
import { type Resolve, systemResolve } from './resolve.ts'
import { checkTarget, type OutboundPolicy } from './target.ts'

/** `fetch` for URLs that came from data. */
export type OutboundFetch = (url: string | URL, init?: RequestInit) => Promise<Response>

export interface OutboundOptions extends OutboundPolicy {
  readonly limits?: OutboundLimits
  /** Replaces the system's resolver. */
  readonly resolve?: Resolve
}

const maxRedirects = 5

/**
 * The guard of every request to a URL from data. It allows https (in development also http to this
 * machine) and public addresses only, checked at the dialled address. It checks each redirect like
 * a first request, never sends credentials to another origin, and limits time and size. Takes the
 * arguments of `fetch`; a body is a string, URLSearchParams or bytes. It follows redirects by
 * default, as `fetch` does.
 * @throws OutboundError a TypeError, as `fetch` throws
 */
export function createOutboundFetch(options: OutboundOptions): OutboundFetch {
  const { limits = documentLimits, resolve = systemResolve } = options
  return async (url, init = {}) => {
    const signal = timeLimit(limits.total, init.signal)
    let request = firstRequest(url, init, options)
    for (let hops = 0; ; hops += 1) {
      const response = await dial(request, { policy: options, limits, resolve, signal })
      if (init.redirect === 'manual') return response
      const next = redirectedRequest(request, response, options)
      if (next === null) return response
      await giveUp(response.body)
      if (init.redirect === 'error') {
        throw new OutboundError('forbidden_redirect', 'the answer is a redirect')
      }
      if (hops === maxRedirects) {
        throw new OutboundError('too_many_redirects', `more than ${maxRedirects}`)
      }
      request = next
    }
  }
}

/** The same fetch, for several requests that together may take so many milliseconds. */
export function withDeadline(fetch: OutboundFetch, milliseconds: number): OutboundFetch {
  const deadline = timeLimit(milliseconds)
  return (url, init = {}) => {
    const signal = init.signal ? AbortSignal.any([deadline, init.signal]) : deadline
    return fetch(url, { ...init, signal })
  }
}

function firstRequest(url: string | URL, init: RequestInit, policy: OutboundPolicy): DialRequest {
  const headers = new Headers(init.headers)
  const method = (init.method ?? 'GET').toUpperCase()
  const { body } = init
  if (body instanceof URLSearchParams) {
    if (!headers.has('content-type')) {
      headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
    }
    return withLength({ target: checkTarget(url, policy), method, headers, body: body.toString() })
  }
  if (body !== undefined && body !== null && !isPlainBody(body)) {
    throw new OutboundError('forbidden_url', 'a body must be text or bytes, to be sent again')
  }
  return withLength({ target: checkTarget(url, policy), method, headers, body: body ?? undefined })
}

function withLength(request: DialRequest): DialRequest {
  const { body, headers } = request
  const size = typeof body === 'string' ? new TextEncoder().encode(body).length : body?.byteLength
  if (size !== undefined) headers.set('content-length', String(size))
  return request
}

function isPlainBody(body: unknown): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array
}
