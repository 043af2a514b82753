import type { IncomingMessage, Server } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { refuseUpgrade } from '../api/refuse-upgrade.ts'

export function isRealtime(request: IncomingMessage): boolean {
  return /^\/realtime\/v1\/websocket(\?|$)/.test(request.url ?? '/')
}

/**
 * A client may offer another protocol (h2c, TLS) with any request; a server that does not want it
 * answers as if it had not (RFC 9110 section 7.8). Node.js 20 hands such a request over unread, so it
 * is sent to the server again without the offer.
 */
export function declineUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  server: Server,
): void {
  const address = server.address()
  if (typeof address !== 'object' || address === null) return refuseUpgrade(socket, '503 Closing')
  const again = connect(address.port, '127.0.0.1')
  const lines = [`${request.method} ${request.url} HTTP/1.1`]
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name = '', value = ''] = request.rawHeaders.slice(index, index + 2)
    if (!/^(connection|upgrade|http2-settings)$/i.test(name)) lines.push(`${name}: ${value}`)
  }
  again.write([...lines, 'connection: close', '', ''].join('\r\n'), 'latin1')
  again.write(head)
  again.on('error', () => socket.destroy())
  again.once('close', () => socket.destroy())
  socket.once('close', () => again.destroy())
  socket.pipe(again).pipe(socket)
}
