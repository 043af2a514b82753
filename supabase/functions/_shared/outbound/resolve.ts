import { lookup, type LookupAddress } from 'node:dns'
import { parseAddress } from './address.ts'
import { OutboundError } from './error.ts'
import { checkAddress, type OutboundPolicy } from './target.ts'

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>

/** The system's resolver; IPv4 first, because not every network that has IPv6 leads anywhere. */
export const systemResolve: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, addresses) => {
      if (error) reject(error)
      else resolve([...addresses].sort((a, b) => a.family - b.family))
    })
  })

/**
 * The addresses of a target, which are then dialled as they are: resolved once, and refused when any
 * of them is forbidden, so that no second answer of the name server counts.
 * @throws OutboundError
 */
export async function resolveTarget(
  target: URL,
  policy: OutboundPolicy,
  resolve: Resolve,
): Promise<string[]> {
  const hostname = target.hostname.replace(/^\[(.*)\]$/, '$1')
  // Judged with the URL.
  if (parseAddress(hostname) !== null) return [hostname]
  const found = await resolve(hostname).catch((cause: unknown) => {
    throw new OutboundError('unreachable', `${hostname} has no address`, { cause })
  })
  if (found.length === 0) throw new OutboundError('unreachable', `${hostname} has no address`)
  return found.map(({ address }) => {
    checkAddress(address, target, policy)
    return address
  })
}
