import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** The way from the workers to the provider, which can be stopped. */
export interface Network {
  readonly url: string
  /** Nothing passes any more: what is open falls silent, or is reset, and so is what is opened. */
  stop(how: 'silent' | 'reset'): void
  resume(): void
  close(): Promise<void>
}

export async function startNetwork(target: string): Promise<Network> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let state: 'open' | 'silent' | 'reset' = 'open'
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {
      // A broken connection is what the provider's faults and the kills are about.
      socket.destroy()
    })
  }
  const server = createServer({ noDelay: true }, (client) => {
    keep(client)
    if (state === 'reset') {
      client.resetAndDestroy()
      return
    }
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true })
    keep(upstream)
    client.pipe(upstream).pipe(client)
    client.on('close', () => upstream.destroy())
    upstream.on('close', (failed) => (failed ? client.resetAndDestroy() : client.end()))
    if (state === 'silent') for (const socket of [client, upstream]) socket.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop(how) {
      state = how
      for (const socket of sockets) {
        if (how === 'reset') socket.resetAndDestroy()
        else socket.pause()
      }
    },
    resume() {
      state = 'open'
      for (const socket of sockets) socket.resume()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
