import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { parseAddress } from './address.ts'
import { OutboundError } from './error.ts'

/** Milliseconds for an address while there is another one to try. */
const patience = 3_000

/**
 * Opens a connection to a target, at its first address that answers. It dials an address and not a
 * name, so that no runtime and no proxy of the environment resolves the name again. It checks a
 * certificate against the target's name.
 * @param signal of this connection alone; ends it, as long as it is open
 * @throws OutboundError `unreachable`, or the signal's reason
 */
export async function connect(
  target: URL,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Socket> {
  let cause: unknown
  for (const [place, address] of addresses.entries()) {
    signal.throwIfAborted()
    const isLast = place === addresses.length - 1
    try {
      return await open(target, address, signal, isLast ? Infinity : patience)
    } catch (error) {
      cause = error
    }
  }
  signal.throwIfAborted()
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'
  throw new OutboundError('unreachable', code, { cause })
}

function open(target: URL, address: string, signal: AbortSignal, limit: number): Promise<Socket> {
  const secure = target.protocol === 'https:'
  const port = Number(target.port) || (secure ? 443 : 80)
  // In one step: with TLS over an open connection the hosted platform's Deno would wait for ever.
  const socket = secure
    ? connectTls({ host: address, port, ...tlsOptions(target) })
    : connectTcp({ host: address, port })
  signal.addEventListener('abort', () => socket.destroy(signal.reason as Error))
  return new Promise((done, fail) => {
    const timer =
      limit === Infinity ? undefined : setTimeout(() => socket.destroy(new Error('silent')), limit)
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      done(socket)
    })
    // Also for later errors, which the reader of the socket throws: an unheard error ends the process.
    socket.on('error', (error: Error) => {
      clearTimeout(timer)
      fail(error)
    })
    // It may also end without an error; after either of the above this changes nothing.
    socket.once('close', () => {
      clearTimeout(timer)
      fail(new Error('closed'))
    })
  })
}

function tlsOptions({ hostname }: URL): ConnectionOptions {
  const name = hostname.replace(/\.$/, '')
  return {
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    // An address is no name to indicate (RFC 6066, section 3); the certificate has to have it, too.
    ...(parseAddress(name) === null && { servername: name }),
  }
}
