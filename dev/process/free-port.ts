import { createServer } from 'node:net'

import { errorCode } from './start-error.ts'

/** A free TCP port on 127.0.0.1: `preferred` when nobody listens there, else one the system picks. */
export async function findFreePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await tryPort(preferred)) === preferred) return preferred
  const port = await tryPort(0)
  if (port === undefined) throw new Error('the system offers no free TCP port')
  return port
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => {
      if (errorCode(error) === 'EADDRINUSE' || errorCode(error) === 'EACCES') resolve(undefined)
      else reject(error)
    })
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : undefined
      server.close(() => resolve(bound))
    })
  })
}
