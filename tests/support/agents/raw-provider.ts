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
  | typeof RESET
  | typeof STALL

/** A TCP reset. */
export const RESET = { act: 'reset' } as const
/** Silence until the client goes away. */
export const STALL = { act: 'stall' } as const

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
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
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
      // Only a script function can throw: its test must fail, not hang.
      socket.destroy(error as Error)
      queueMicrotask(() => {
        throw error
      })
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

/** The request on a connection, or null when the client goes away before it is whole. */
async function readRequest(socket: Socket, closed: Promise<void>): Promise<RawRequest | null> {
  let bytes = Buffer.alloc(0)
  const whole = new Promise<RawRequest>((resolve) => {
    // Goes on reading after the request, which is how the end of the connection is noticed.
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const request = parseRequest(bytes, closed)
      if (request !== null) resolve(request)
    })
  })
  return await Promise.race([whole, closed.then(() => null)])
}

function parseRequest(bytes: Buffer, closed: Promise<void>): RawRequest | null {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const [first = '', ...rest] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(rest.map(splitHeader))
  const body = bytes.subarray(headEnd + 4)
  if (body.length < Number(headers['content-length'] ?? 0)) return null
  const [method = '', path = ''] = first.split(' ')
  return { method, path, headers, body: body.toString('utf8'), closed }
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

async function play(socket: Socket, step: RawStep, closed: Promise<void>): Promise<void> {
  if (typeof step === 'string' || step instanceof Uint8Array) {
    // Until the kernel has it: separate steps stay separate reads, as far as TCP allows.
    await new Promise<void>((resolve) => socket.write(step, () => resolve()))
  } else if (step === RESET) socket.resetAndDestroy()
  else if (step === STALL) await closed
  else if ('until' in step) await Promise.race([step.until, closed])
  else if ('delayMs' in step) {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, step.delayMs)), closed])
  }
}
