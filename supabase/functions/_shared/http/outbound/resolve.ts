import { lookup, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { OutboundError } from './error.ts'
import { checkAddress, type OutboundPolicy } from './target.ts'

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>

/** The system's resolver. */
export const systemResolve: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true, verbatim: true }, (error, addresses) => {
      if (error) reject(error)
      else resolve(addresses)
    })
  })

/**
 * The lookup hook of one connection: resolves once, refuses when any address is forbidden, and
 * hands over exactly what it checked, so that no second answer of the name server is ever dialled.
 */
export function guardedLookup(
  target: URL,
  policy: OutboundPolicy,
  resolve: Resolve,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        try {
          if (!first) throw new OutboundError('unreachable', `${hostname} has no address`)
          for (const { address } of addresses) checkAddress(address, target, policy)
        } catch (error) {
          callback(error as Error, '', 4)
          return
        }
        if (options.all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (cause: unknown) => {
        callback(new OutboundError('unreachable', `${hostname} has no address`, { cause }), '', 4)
      },
    )
  }
}
