import {
  createServer,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http'

/** What a proxy may do to one request and its answer. */
export interface Tampering {
  /** Changes the request's headers, in place, before they are sent on. */
  request?: (request: IncomingMessage) => void
  /** Holds an answer back until it is complete. */
  buffers?: (request: IncomingMessage) => boolean
}

export interface BreakingProxy {
  url: string
  /** Cuts the connection of each request from now on. */
  drop(): void
  /** Passes requests on again. */
  mend(): void
  /** The paths of the requests that were dropped. */
  readonly dropped: readonly string[]
  close(): Promise<void>
}

/** A proxy in front of `target` that breaks one promise, so that a check of it can be seen to fail. */
export async function startBreakingProxy(
  target: string,
  tampering: Tampering = {},
): Promise<BreakingProxy> {
  const dropped: string[] = []
  let drops = false
  const server = createServer((request, response) => {
    if (!drops) return pass(target, tampering, request, response)
    dropped.push(request.url ?? '')
    request.socket.resetAndDestroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    dropped,
    drop: () => void (drops = true),
    mend: () => void (drops = false),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function pass(
  target: string,
  tampering: Tampering,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  tampering.request?.(request)
  const upstream = openRequest(
    new URL(request.url ?? '/', target),
    { method: request.method ?? 'GET', headers: request.headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      if (tampering.buffers?.(request) !== true) {
        answer.pipe(response)
        return
      }
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => response.end(Buffer.concat(chunks)))
    },
  )
  upstream.on('error', (error) => response.destroy(error))
  request.pipe(upstream)
}
