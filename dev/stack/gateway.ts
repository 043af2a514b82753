import { createServer, type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Realtime } from '../api/realtime.ts'
import { refuseUpgrade } from '../api/refuse-upgrade.ts'
import type { Functions } from '../functions/functions.ts'
import { errorCode, StartError } from '../process/start-error.ts'
import { apiHeaders } from '../web/page-headers.ts'
import type { Page } from '../web/page.ts'
import { answerWithFetch } from './fetch-bridge.ts'
import { forward } from './forward.ts'
import { declineUpgrade, isRealtime } from './upgrades.ts'
import {
  HEADERS_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  sendError,
  sendRawError,
} from './gateway-errors.ts'

type Fetch = (request: Request, left: AbortSignal) => Promise<Response>

/** What answers behind the gateway; until it is given, every request gets 503. */
export interface Parts {
  rest: Fetch
  auth: Fetch
  storage: Fetch
  realtime: Pick<Realtime, 'upgrade'>
  functions: Functions
  /** The page, where one is served. */
  page?: Page | undefined
}

export interface Gateway {
  url: string
  serve(parts: Parts): void
  close(): Promise<void>
}

/**
 * One HTTP server on the platform's paths: /rest/v1, /auth/v1, /storage/v1, the WebSocket /realtime/v1/websocket and
 * /functions/v1/<name>, of which a function sees /<name>/... The page has the root. Listens
 * on 127.0.0.1 only.
 *
 * @param port 0 for any free one
 * @param requestTimeout how long a client may take to send a request; an answer is not bounded
 * @throws StartError when the port is taken
 */
export async function openGateway(
  port: number,
  requestTimeout: number = REQUEST_TIMEOUT_MS,
): Promise<Gateway> {
  let parts: Parts | undefined
  const timeouts = {
    requestTimeout,
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeout),
    connectionsCheckingInterval: Math.min(1_000, requestTimeout),
  }
  const server = createServer(timeouts, (request, response) => {
    route(request, response, parts).catch((error: unknown) => {
      // A client that left in the middle of its request is no failure.
      const isGone = request.destroyed && !request.complete
      if (!isGone) console.error(error)
      sendError(response, 500, 'internal_error', 'The local gateway failed; see its output.')
    })
  })
  server.on('clientError', (error, socket) => {
    if (hasAnswer(socket) || !socket.writable) socket.destroy()
    else sendRawError(socket, errorCode(error) === 'ERR_HTTP_REQUEST_TIMEOUT')
  })
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => upgraded.delete(socket))
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      declineUpgrade(request, socket, head, server)
    } else if (parts !== undefined && isRealtime(request)) {
      parts.realtime.upgrade(request, socket, head)
    } else {
      refuseUpgrade(socket, parts === undefined ? '503 Service Unavailable' : '404 Not Found')
    }
  })
  // Longer than the idle time of usual clients, which would otherwise meet closed connections.
  server.keepAliveTimeout = 75_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explainListen(error, port)))
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the gateway has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    serve: (ready) => (parts = ready),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        // Of a server's own connections these are none any more.
        for (const socket of upgraded) socket.destroy()
      }),
  }
}

/** Whether an answer has begun on the socket: what follows would be taken for a part of it. */
function hasAnswer(socket: object): boolean {
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse && response.headersSent
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  parts: Parts | undefined,
): Promise<void> {
  if (parts === undefined) return sendError(response, 503, 'starting', 'The stack is starting.')
  if (parts.page?.answer(request, response)) return
  for (const [name, value] of Object.entries(apiHeaders)) response.setHeader(name, value)
  const path = resolvePath(request.url ?? '/')
  if (/^\/rest\/v1(\/|\?|$)/.test(path)) return answerWithFetch(request, response, parts.rest)
  if (/^\/auth\/v1(\/|\?|$)/.test(path)) return answerWithFetch(request, response, parts.auth)
  if (/^\/storage\/v1(\/|\?|$)/.test(path)) return answerWithFetch(request, response, parts.storage)
  const name = /^\/functions\/v1\/([^/?]+)/.exec(path)?.[1]
  if (name === undefined) {
    return sendError(response, 404, 'not_found', 'There is nothing at this path.')
  }
  const address = parts.functions.address(name)
  if (address === null) {
    return sendError(response, 404, 'function_not_found', `There is no function ${name}.`)
  }
  if (address === undefined) {
    return sendError(response, 503, 'function_unavailable', `The function ${name} is restarting.`)
  }
  return forward(request, response, address, path.slice('/functions/v1'.length))
}

/** Without dots: each of the servers would answer what belongs to another one, or to none. */
function resolvePath(path: string): string {
  const address = `http://localhost${path}`
  if (!URL.canParse(address)) return path
  const { pathname, search } = new URL(address)
  return pathname + search
}

function explainListen(error: Error, port: number): Error {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new StartError(
        `Port ${port} is taken by another program. Stop it, or choose another port: PORT=${port + 10} npm start`,
      )
    case 'EACCES':
      return new StartError(`Port ${port} needs root. Choose one above 1023: PORT=54321 npm start`)
    default:
      return error
  }
}
