import { isLoopback, isPublic, parseAddress } from './address.ts'
import { OutboundError } from './error.ts'

/** The allowed targets of requests to addresses from data. */
export interface OutboundPolicy {
  /** Development only: http and https to this machine. Other private addresses stay forbidden. */
  readonly allowLoopback: boolean
  /**
   * The hosts that an organization allows: names, or `*.` and a domain for every name below the
   * domain. null: every public host.
   */
  readonly allowedHosts?: readonly string[] | null
}

/**
 * Parses a URL and checks all that can be checked before its name is resolved. `URL` has by then
 * normalised decimal, octal, hexadecimal and full-width spellings of addresses.
 * @throws OutboundError `forbidden_url`, `forbidden_address` or `host_not_allowed`
 */
export function checkTarget(url: string | URL, policy: OutboundPolicy): URL {
  const target = parse(url)
  const { protocol, hostname } = target
  if (protocol !== 'https:' && !(protocol === 'http:' && mayBeLoopback(hostname, policy))) {
    throw new OutboundError('forbidden_url', `${protocol} is not https`)
  }
  if (target.username !== '' || target.password !== '') {
    throw new OutboundError('forbidden_url', 'the URL has credentials')
  }
  if (!isAllowedHost(hostname, policy.allowedHosts ?? null)) {
    throw new OutboundError('host_not_allowed', `${hostname} is not on the organization's list`)
  }
  if (parseAddress(hostname) !== null) checkAddress(hostname, target, policy)
  return target
}

/**
 * Checks the address that is about to be dialled.
 * @throws OutboundError `forbidden_address`
 */
export function checkAddress(text: string, target: URL, policy: OutboundPolicy): void {
  const address = parseAddress(text)
  const allowed =
    address !== null &&
    (isLoopback(address)
      ? policy.allowLoopback
      : // Plain http is for this machine, whatever a name resolves to.
        target.protocol === 'https:' && isPublic(address))
  if (!allowed) {
    throw new OutboundError('forbidden_address', `${target.hostname} leads to ${text}`)
  }
}

function parse(url: string | URL): URL {
  try {
    return new URL(url)
  } catch {
    throw new OutboundError('forbidden_url', 'not a URL')
  }
}

function mayBeLoopback(hostname: string, { allowLoopback }: OutboundPolicy): boolean {
  if (!allowLoopback) return false
  const address = parseAddress(hostname)
  return address === null ? /(^|\.)localhost\.?$/.test(hostname) : isLoopback(address)
}

function isAllowedHost(hostname: string, allowed: readonly string[] | null): boolean {
  if (allowed === null) return true
  const host = hostname.replace(/\.$/, '')
  return allowed.some((entry) =>
    entry.startsWith('*.') ? host.endsWith(entry.slice(1)) : host === entry,
  )
}
