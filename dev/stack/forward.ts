import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as send } from 'node:http'
import type { ServerResponse } from 'node:http'
import { Transform } from 'node:stream'

import { MAX_BODY_BYTES, sendError } from './gateway-errors.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 512 })

/**
 * Headers that concern one connection only (RFC 9110 section 7.6.1). Transfer-Encoding stays: Node.js
 * reads it to know how to frame the body, which it would not for a DELETE.
 */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
])

/**
 * Sends the request to `address` under another path and streams the answer back, byte by byte as it
 * comes. A client that goes away ends the request upstream.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
  path: string,
): Promise<void> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(address)
    const headers = {
      ...withoutHopByHop(request.headers),
      'x-forwarded-host': request.headers.host ?? '',
      'x-forwarded-proto': 'http',
    }
    const upstream = send({ hostname, port, path, method: request.method, headers, agent })
    response.once('close', () => {
      if (!response.writableFinished) upstream.destroy()
      resolve()
    })
    upstream.once('error', () => {
      sendError(response, 503, 'function_unavailable', 'The function did not answer.')
    })
    upstream.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, {
        ...withoutHopByHop(answer.headers),
        // What is still to come of the request is not waited for.
        ...(!request.complete && { connection: 'close' }),
      })
      // Headers first: a stream's first event may be long in coming.
      response.flushHeaders()
      answer.once('error', () => response.destroy())
      answer.once('aborted', () => response.destroy())
      answer.pipe(response)
    })
    const limit = limitBytes(() => {
      upstream.destroy()
      sendError(response, 413, 'payload_too_large', 'The request body is larger than 10 MB.')
    })
    // Headers at once: a streamed request's first chunk may depend on the answer.
    upstream.flushHeaders()
    request.pipe(limit).pipe(upstream)
  })
}

function withoutHopByHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name))
  return Object.fromEntries(kept)
}

function limitBytes(onExceeded: () => void): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) onExceeded()
      else done(null, chunk)
    },
  })
}
