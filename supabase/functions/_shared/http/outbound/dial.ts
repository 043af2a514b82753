import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { limitBody } from './body.ts'
import { OutboundError } from './error.ts'
import type { OutboundLimits } from './limits.ts'
import { guardedLookup, type Resolve } from './resolve.ts'
import type { OutboundPolicy } from './target.ts'

/** One request to one checked URL: no redirect is followed here. */
export interface DialRequest {
  readonly target: URL
  readonly method: string
  readonly headers: Headers
  readonly body: string | Uint8Array | undefined
}

export interface DialOptions {
  readonly policy: OutboundPolicy
  readonly limits: OutboundLimits
  readonly resolve: Resolve
  /** Ends the request and the reading of its body. */
  readonly signal: AbortSignal
}

/**
 * Sends a request over a connection of its own, to the address that was checked. `fetch` cannot do
 * this: it resolves the name again.
 * @throws OutboundError
 */
export async function dial(request: DialRequest, options: DialOptions): Promise<Response> {
  const { signal, limits } = options
  const incoming = await send(request, options)
  const headers = new Headers()
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    appendHeader(headers, incoming.rawHeaders[index] ?? '', incoming.rawHeaders[index + 1] ?? '')
  }
  const status = incoming.statusCode ?? 0
  if (status < 200 || status > 599) {
    incoming.destroy()
    throw new OutboundError('unreachable', `status ${status}`)
  }
  if (request.method === 'HEAD' || [204, 205, 304].includes(status)) {
    incoming.resume()
    return new Response(null, { status, headers })
  }
  const encoding = headers.get('content-encoding')
  headers.delete('content-encoding')
  if (encoding !== null) headers.delete('content-length')
  try {
    const body = limitBody(streamOf(incoming, limits.idle, signal), encoding, limits.bytes)
    return new Response(body, { status, headers })
  } catch (error) {
    incoming.destroy()
    throw error
  }
}

function send(
  { target, method, headers, body }: DialRequest,
  { policy, limits, resolve, signal }: DialOptions,
): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    const refuse = (error: unknown) => {
      clearTimeout(timer)
      fail(asOutboundError(error, signal))
    }
    const secure = target.protocol === 'https:'
    const outgoing = (secure ? requestHttps : requestHttp)({
      protocol: target.protocol,
      hostname: target.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: target.port || (secure ? 443 : 80),
      path: `${target.pathname}${target.search}`,
      method,
      headers: { ...Object.fromEntries(headers), host: target.host, 'accept-encoding': 'identity' },
      // A pooled connection was checked for another request, perhaps another organization's.
      agent: false,
      lookup: guardedLookup(target, policy, resolve),
      signal,
    })
    const timer = setTimeout(() => {
      outgoing.destroy(new OutboundError('timeout', `no answer within ${limits.head} ms`))
    }, limits.head)
    outgoing.once('error', refuse)
    outgoing.once('response', (incoming) => {
      clearTimeout(timer)
      done(incoming)
    })
    outgoing.end(body)
  })
}

function streamOf(
  incoming: IncomingMessage,
  idle: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  return new ReadableStream({
    async pull(controller) {
      timer = setTimeout(() => {
        incoming.destroy(new OutboundError('timeout', `the answer paused for ${idle} ms`))
      }, idle)
      try {
        const chunk = await chunks.next()
        if (chunk.done) controller.close()
        else controller.enqueue(new Uint8Array(chunk.value))
      } catch (error) {
        controller.error(asOutboundError(error, signal))
      } finally {
        clearTimeout(timer)
      }
    },
    cancel() {
      clearTimeout(timer)
      incoming.destroy()
    },
  })
}

/** A header that the platform's parser took and Headers does not is left out. */
function appendHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
}

function asOutboundError(error: unknown, signal: AbortSignal): Error {
  if (error instanceof OutboundError) return error
  if (signal.aborted) {
    const reason: unknown = signal.reason
    const expired = reason instanceof DOMException && reason.name === 'TimeoutError'
    if (expired) return new OutboundError('timeout', 'not finished in time')
    if (reason instanceof Error) return reason
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
  return new OutboundError('unreachable', code, { cause: error })
}
