import type { DialRequest } from './dial.ts'
import { OutboundError } from './error.ts'
import { checkTarget, type OutboundPolicy } from './target.ts'

const redirects = new Set([301, 302, 303, 307, 308])
/** The headers that another origin may see; a key may be in any other. */
const harmless = new Set([
  ...['accept', 'accept-encoding', 'accept-language', 'content-encoding', 'content-language'],
  ...['content-length', 'content-type', 'mcp-protocol-version', 'user-agent'],
])
const describesBody = ['content-type', 'content-length', 'content-encoding', 'content-language']

/**
 * The request that a redirect asks for (RFC 9110, section 15.4), judged like a first one; null when
 * the answer is no redirect. Credentials stay with their origin, and so does a body: a token request
 * carries them in its body.
 * @throws OutboundError
 */
export function redirectedRequest(
  request: DialRequest,
  response: Response,
  policy: OutboundPolicy,
): DialRequest | null {
  const location = redirects.has(response.status) ? response.headers.get('location') : null
  if (location === null) return null
  const target = checkTarget(resolveLocation(location, request.target), policy)
  const crosses = target.origin !== request.target.origin
  if (crosses && request.target.protocol === 'https:' && target.protocol !== 'https:') {
    throw new OutboundError('forbidden_redirect', 'from https to http')
  }
  const headers = new Headers(request.headers)
  if (crosses) {
    for (const name of [...headers.keys()]) if (!harmless.has(name)) headers.delete(name)
  }
  const { method } = request
  const becomesGet =
    (response.status === 303 && method !== 'HEAD') || (response.status <= 302 && method === 'POST')
  if (becomesGet) {
    for (const name of describesBody) headers.delete(name)
    return { target, method: 'GET', headers, body: undefined }
  }
  if (crosses && request.body !== undefined) {
    throw new OutboundError('forbidden_redirect', 'a body is not sent to another origin')
  }
  return { target, method, headers, body: request.body }
}

function resolveLocation(location: string, base: URL): URL {
  try {
    return new URL(location, base)
  } catch {
    throw new OutboundError('forbidden_redirect', 'to what is not a URL')
  }
}
