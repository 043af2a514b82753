import type { Socket } from 'node:net'
import { abortable } from '../time.ts'
import { connect } from './connect.ts'
import { OutboundError } from './error.ts'
import { limitBody, type OutboundLimits } from './limits.ts'
import { requestHead } from './request-head.ts'
import { type Resolve, resolveTarget } from './resolve.ts'
import { ResponseReader } from './response-reader.ts'
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
 * Sends a request over a connection of its own, to an address that was checked. `fetch` cannot do
 * this: it resolves the name again. Nor can `node:http` on every runtime: the hosted platform's
 * (Deno 2.1) has no way to give it an address or a connection.
 * @throws OutboundError
 */
export async function dial(request: DialRequest, options: DialOptions): Promise<Response> {
  const { policy, limits, resolve, signal } = options
  const stop = new AbortController()
  const abort = () => stop.abort(signal.reason)
  const unlink = () => signal.removeEventListener('abort', abort)
  signal.addEventListener('abort', abort)
  const timer = setTimeout(() => {
    stop.abort(new OutboundError('timeout', `no answer within ${limits.head} ms`))
  }, limits.head)
  try {
    signal.throwIfAborted()
    const addresses = await abortable(resolveTarget(request.target, policy, resolve), stop.signal)
    const socket = await connect(request.target, addresses, stop.signal)
    socket.once('close', unlink)
    try {
      send(socket, request)
      return await receive(socket, request, { limits, signal })
    } catch (error) {
      socket.destroy()
      throw error
    }
  } catch (error) {
    unlink()
    throw asOutboundError(error, signal)
  } finally {
    clearTimeout(timer)
  }
}

function send(socket: Socket, { target, method, headers, body }: DialRequest): void {
  const all = new Headers(headers)
  if (body === undefined && method === 'POST') all.set('content-length', '0')
  socket.write(requestHead(method, target, all, 'close'), 'latin1')
  if (body !== undefined) socket.write(body)
}

async function receive(
  socket: Socket,
  { method }: DialRequest,
  { limits, signal }: Pick<DialOptions, 'limits' | 'signal'>,
): Promise<Response> {
  const reader = new ResponseReader(socket)
  const head = await reader.head()
  const { status, headers } = head
  if (method === 'HEAD' || [204, 205, 304].includes(status)) {
    socket.destroy()
    return new Response(null, { status, headers })
  }
  const content = streamOf(reader.body(head), socket, limits.idle, signal)
  const encoding = headers.get('content-encoding')
  headers.delete('content-encoding')
  if (encoding !== null) headers.delete('content-length')
  return new Response(limitBody(content, encoding, limits.bytes), { status, headers })
}

function streamOf(
  content: AsyncGenerator<Uint8Array, undefined>,
  socket: Socket,
  idle: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const timer = setTimeout(() => {
        socket.destroy(new OutboundError('timeout', `the answer paused for ${idle} ms`))
      }, idle)
      try {
        const piece = await content.next()
        if (!piece.done) controller.enqueue(new Uint8Array(piece.value))
        else {
          socket.destroy()
          controller.close()
        }
      } catch (error) {
        socket.destroy()
        controller.error(asOutboundError(error, signal))
      } finally {
        clearTimeout(timer)
      }
    },
    cancel() {
      socket.destroy()
    },
  })
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
  return new OutboundError('broken_answer', code, { cause: error })
}
