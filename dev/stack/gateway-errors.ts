import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Answers with the project's error envelope, readable from any origin. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
): void {
  // A started answer cannot become an error: cut it, so that the client sees it is broken.
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, {
    'content-type': 'application/json',
    'access-control-allow-origin': '*',
    connection: 'close',
    ...(status === 503 && { 'retry-after': '1' }),
  })
  response.end(JSON.stringify({ error: { code, message } }))
}

/** Largest request body, in bytes, as PostgREST behind the platform's gateway takes. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/** How long a client may take to send its headers. */
export const HEADERS_TIMEOUT_MS = 10_000
/** How long it may take to send the whole request. */
export const REQUEST_TIMEOUT_MS = 30_000

/** The answer to a request that did not arrive in time or cannot be read, on its bare socket. */
export function sendRawError(socket: Duplex, isLate: boolean): void {
  const [status, code, message] = isLate
    ? [
        '408 Request Timeout',
        'request_timeout',
        'The request did not arrive in time. Send it again, faster or smaller.',
      ]
    : ['400 Bad Request', 'invalid_request', 'The request cannot be read.']
  const body = JSON.stringify({ error: { code, message } })
  socket.end(
    [
      `HTTP/1.1 ${status}`,
      'content-type: application/json',
      'access-control-allow-origin: *',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}
