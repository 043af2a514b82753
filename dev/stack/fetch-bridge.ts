import type { IncomingMessage, ServerResponse } from 'node:http'

import { MAX_BODY_BYTES, sendError } from './gateway-errors.ts'

/** As the platform answers browsers in front of REST and Auth. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'Content-Range, Content-Location, Preference-Applied, X-Supabase-Api-Version, Sb-Error-Code, X-Sb-Error-Code',
}

/**
 * Answers a Node.js request with a fetch handler, which hears when the client leaves; preflight
 * requests by itself.
 */
export async function answerWithFetch(
  request: IncomingMessage,
  response: ServerResponse,
  handler: (request: Request, left: AbortSignal) => Promise<Response>,
): Promise<void> {
  if (request.method === 'OPTIONS' && request.headers['access-control-request-method']) {
    response.writeHead(200, preflight(request))
    response.end()
    return
  }
  if (usesSecretKeyFromBrowser(request)) {
    sendError(response, 401, 'secret_key_in_browser', 'Forbidden use of secret API key in browser')
    return
  }
  const body = await readBody(request)
  if (body === undefined) {
    sendError(response, 413, 'payload_too_large', 'The request body is larger than 10 MB.')
    return
  }
  const incoming = toRequest(request, body)
  if (incoming === undefined) {
    sendError(response, 400, 'invalid_request', 'The method, the path or the host cannot be read.')
    return
  }
  const left = new AbortController()
  response.once('close', () => left.abort())
  const answer = await handler(incoming, left.signal)
  const headers = Object.fromEntries(answer.headers)
  const cookies = answer.headers.getSetCookie()
  response.writeHead(answer.status, {
    ...headers,
    // The page's origin is also that of stored files: no answer loosens the policy of the gateway.
    ...response.getHeaders(),
    ...CORS,
    ...(cookies.length > 0 ? { 'set-cookie': cookies } : {}),
  })
  response.end(Buffer.from(await answer.arrayBuffer()))
}

function preflight(request: IncomingMessage): Record<string, string> {
  return {
    ...CORS,
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
    'access-control-allow-headers': String(request.headers['access-control-request-headers'] ?? ''),
    'access-control-max-age': '3600',
  }
}

/** A browser names itself or its page's origin; a secret key has no business there. */
function usesSecretKeyFromBrowser({ headers, url }: IncomingMessage): boolean {
  const query = new URL(url ?? '/', 'http://localhost').searchParams
  const key = headers.apikey ?? query.get('apikey')
  if (typeof key !== 'string' || !key.startsWith('sb_secret_')) return false
  return headers.origin !== undefined || /^\s*Mozilla\//i.test(headers['user-agent'] ?? '')
}

/**
 * Undefined for what HTTP lets through and a URL or a fetch request does not. A host with more than a name and a
 * port would move the path, and a server would answer another path than the gateway chose it for.
 */
function toRequest(request: IncomingMessage, body: Buffer): Request | undefined {
  const host = request.headers.host ?? 'localhost'
  const address = `http://${host}${request.url}`
  if (!/^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i.test(host) || !request.url?.startsWith('/'))
    return undefined
  if (!URL.canParse(address) || !isDecodable(new URL(address).pathname)) return undefined
  if (request.method === 'TRACE') return undefined
  const headers = new Headers()
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    headers.append(request.rawHeaders[index] ?? '', request.rawHeaders[index + 1] ?? '')
  }
  const method = request.method ?? 'GET'
  return new Request(address, {
    method,
    headers,
    ...(method === 'GET' || method === 'HEAD' || body.length === 0
      ? {}
      : { body: new Uint8Array(body) }),
  })
}

function isDecodable(pathname: string): boolean {
  try {
    decodeURIComponent(pathname)
    return true
  } catch {
    return false // Half of an escape sequence.
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
