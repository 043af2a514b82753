import { abortable, type Clock } from '../time.ts'
import { Connection, type Runtime } from './connection.ts'
import { limitBody } from './limits.ts'
import { requestHead } from './request-head.ts'
import { ResponseReader } from './response-reader.ts'

/** Milliseconds for which an idle connection may serve another request. */
const longestIdle = 30_000
/** Idle connections to one origin. */
const mostIdle = 16

const encoder = new TextEncoder()
const withoutBody = new Set([204, 205, 304])

interface Idle {
  readonly connection: Connection
  readonly since: number
}

/**
 * `fetch` for the addresses of model providers, which the platform's variables name: POST of text,
 * redirects not followed, HTTP/1.1. Its body is read from the connection when it is asked for, and
 * gives all that came since (`Connection`). A connection serves one request after the other, so
 * that a call does not wait for a handshake.
 */
export function createPooledFetch(runtime: Runtime, clock: Clock): typeof fetch {
  const idle = new Map<string, Idle[]>()

  const take = (origin: string): Connection | undefined => {
    const known = idle.get(origin) ?? []
    for (;;) {
      const last = known.pop()
      if (!last) return undefined
      if (last.connection.isClosed) continue
      if (clock.now() - last.since <= longestIdle) return last.connection
      last.connection.close()
    }
  }
  const keep = (origin: string, connection: Connection) => {
    const known = (idle.get(origin) ?? []).filter((other) => !other.connection.isClosed)
    idle.set(origin, [...known, { connection, since: clock.now() }])
    connection.rest()
    if (known.length === mostIdle) known[0]?.connection.close()
  }

  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const request = encodeRequest(url, init)
    const signal = init.signal ?? new AbortController().signal
    signal.throwIfAborted()
    const used = take(url.origin)
    for (let connection = used; ; connection = undefined) {
      connection ??= await open(runtime, url, signal)
      const current = connection
      const abort = () => current.close()
      signal.addEventListener('abort', abort, { once: true })
      const unlink = () => signal.removeEventListener('abort', abort)
      try {
        await connection.write(request)
        const reader = new ResponseReader(connection)
        const head = await reader.head()
        const content = reader.body(head)
        const isKept = !/\bclose\b/i.test(head.headers.get('connection') ?? '')
        const end = (isWhole: boolean) => {
          unlink()
          if (isWhole && isKept && reader.isExact && !signal.aborted) keep(url.origin, current)
          else current.close()
        }
        return responseOf(head, content, signal, end)
      } catch (error) {
        unlink()
        connection.close()
        if (signal.aborted) throw signal.reason
        // The server closed it while it was idle, before it read the request.
        if (connection === used && !connection.isAnswered) continue
        throw error
      }
    }
  }
}

async function open(runtime: Runtime, url: URL, signal: AbortSignal): Promise<Connection> {
  const opening = Connection.open(runtime, url)
  try {
    return await abortable(opening, signal)
  } catch (error) {
    opening.then(
      (late) => late.close(),
      () => undefined,
    )
    throw error
  }
}

function encodeRequest(url: URL, { method = 'GET', headers, body }: RequestInit): Uint8Array {
  const all = new Headers(headers)
  if (body instanceof URLSearchParams && !all.has('content-type')) {
    all.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
  }
  if (typeof body !== 'string' && !(body instanceof URLSearchParams)) {
    throw new TypeError('a request to a provider has a body of text')
  }
  const bytes = encoder.encode(body.toString())
  all.set('content-length', String(bytes.length))
  const head = encoder.encode(requestHead(method, url, all, 'keep-alive'))
  const request = new Uint8Array(head.length + bytes.length)
  request.set(head)
  request.set(bytes, head.length)
  return request
}

function responseOf(
  { status, headers }: { status: number; headers: Headers },
  content: AsyncGenerator<Uint8Array, undefined>,
  signal: AbortSignal,
  end: (isWhole: boolean) => void,
): Response {
  if (withoutBody.has(status)) {
    end(false)
    return new Response(null, { status, headers })
  }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await content.next()
          if (!done) return controller.enqueue(value.slice())
          end(true)
          controller.close()
        } catch (error) {
          end(false)
          controller.error(signal.aborted ? signal.reason : error)
        }
      },
      cancel() {
        end(false)
      },
    },
    { highWaterMark: 0 },
  )
  const encoding = headers.get('content-encoding')
  headers.delete('content-encoding')
  const decoded = encoding === null ? body : limitBody(body, encoding, Infinity)
  return new Response(decoded, { status, headers })
}
