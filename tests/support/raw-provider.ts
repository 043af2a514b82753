import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/**
 * One step of a scripted answer: bytes to write, a wait, or a way to misbehave. After the last
 * step the socket is closed in order (FIN), whatever the announced length says.
 */
export type RawStep =
  | string
  | Uint8Array
  /** Goes on when the promise does: lets a test decide when, without sleeping. */
  | { until: Promise<unknown> }
  | { delayMs: number }
  /** TCP reset. */
  | 'reset'
  /** Stays silent until the client goes away. */
  | 'stall'

export interface RawRequest {
  method: string
  path: string
  /** Names in lower case. */
  headers: Record<string, string>
  body: string
  /** Resolves when the connection is gone, by either side. */
  closed: Promise<void>
}

export type RawScript = readonly RawStep[]

/** A scripted HTTP/1.1 server on a raw socket: what it sends is exactly what the script says. */
export interface RawProvider {
  url: string
  /** Every request so far, oldest first. */
  journal: RawRequest[]
  /** What requests are answered with from now on. */
  respond(script: RawScript | ((request: RawRequest, index: number) => RawScript)): void
  /** The next request that nobody waited for yet. */
  nextRequest(): Promise<RawRequest>
  close(): Promise<void>
}

export async function startRawProvider(): Promise<RawProvider> {
  const journal: RawRequest[] = []
  const sockets = new Set<Socket>()
  const waiting: ((request: RawRequest) => void)[] = []
  let taken = 0
  let script: RawScript | ((request: RawRequest, index: number) => RawScript) = []

  const serve = async (socket: Socket): Promise<void> => {
    const closed = once(socket, 'close').then(() => undefined)
    const request = await readRequest(socket, closed)
    if (request === null) return
    journal.push(request)
    const waiter = waiting.shift()
    if (waiter !== undefined) {
      taken += 1
      waiter(request)
    }
    const steps = typeof script === 'function' ? script(request, journal.length - 1) : script
    for (const step of steps) if (!socket.destroyed) await play(socket, step, closed)
    if (!socket.destroyed) socket.end()
  }

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {
      // The client hung up in the middle of a script, which many tests are about.
    })
    serve(socket).catch((error: unknown) => {
      socket.destroy()
      throw error
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    journal,
    respond(next) {
      script = next
    },
    nextRequest() {
      const arrived = journal[taken]
      if (arrived !== undefined) {
        taken += 1
        return Promise.resolve(arrived)
      }
      return new Promise((resolve) => waiting.push(resolve))
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function readRequest(socket: Socket, closed: Promise<void>): Promise<RawRequest | null> {
  let bytes = Buffer.alloc(0)
  let headEnd = -1
  let missing = Infinity
  let lines: string[] = []
  let headers: Record<string, string> = {}
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk as Buffer])
    if (headEnd === -1) {
      headEnd = bytes.indexOf('\r\n\r\n')
      if (headEnd === -1) continue
      lines = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
      headers = Object.fromEntries(lines.slice(1).map(splitHeader))
    }
    missing = headEnd + 4 + Number(headers['content-length'] ?? 0) - bytes.length
    if (missing <= 0) break
  }
  if (missing > 0) return null
  // Keeps noticing the end of the connection, whose data nobody reads any more.
  socket.resume()
  const [method = '', path = ''] = (lines[0] ?? '').split(' ')
  return { method, path, headers, body: bytes.subarray(headEnd + 4).toString('utf8'), closed }
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

async function play(socket: Socket, step: RawStep, closed: Promise<void>): Promise<void> {
  if (step === 'reset') socket.resetAndDestroy()
  else if (step === 'stall') await closed
  else if (typeof step === 'string' || step instanceof Uint8Array) {
    // Until the kernel has it: separate steps stay separate reads, as far as TCP allows.
    await new Promise<void>((resolve) => socket.write(step, () => resolve()))
  } else if ('until' in step) await Promise.race([step.until, closed])
  else await Promise.race([new Promise((resolve) => setTimeout(resolve, step.delayMs)), closed])
}
