import {
  createServer,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http'
import type { Page } from '../../../dev/web/page.ts'

export interface SplitGateway {
  readonly url: string
  close(): Promise<void>
}

/**
 * One address for a client, whose function `agents` is a worker of the test: every other path leads to
 * the stack.
 * @param functions address of the function `agents`
 * @param page what it serves at its root
 */
export async function startSplitGateway(
  stack: string,
  functions: string,
  page?: Page,
): Promise<SplitGateway> {
  const prefix = '/functions/v1/agents'
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (page?.answer(incoming, outgoing)) return
    const path = incoming.url ?? '/'
    const target = path.startsWith(prefix)
      ? `${functions}${path.slice(prefix.length)}`
      : `${stack}${path}`
    const { method, headers } = incoming
    const upstream = openRequest(target, {
      method,
      headers: { ...headers, host: new URL(target).host },
    })
    upstream.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
      outgoing.on('close', () => response.destroy())
    })
    upstream.on('error', () => outgoing.destroy())
    incoming.pipe(upstream)
  }
  const server = createServer(pass)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
