import type { Duplex } from 'node:stream'

/** Answers an upgrade on its bare socket, and closes it also when the client does not. */
export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => {
    socket.destroy()
  })
}
