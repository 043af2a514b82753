/** Bytes of an IP address: 4 or 16. */
export type Address = readonly number[]

/**
 * Reads an address in the spelling of a URL's hostname (WHATWG, brackets or not) or of a resolver.
 * @returns null for anything else, names included
 */
export function parseAddress(text: string): Address | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  return bare.includes(':') ? parseIpv6(bare) : parseIpv4(bare)
}

/** Whether an address never leaves the machine: 127.0.0.0/8 and ::1. */
export function isLoopback(address: Address): boolean {
  return loopback.some((range) => contains(range, address))
}

/**
 * Whether an address is on the public internet and nowhere else. For IPv6 only global unicast is,
 * without the parts that embed an IPv4 address or are reserved: so IPv4-mapped (::ffff:0:0/96),
 * IPv4-compatible (::/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), 6to4, Teredo, unique local,
 * link-local and site-local addresses are not.
 */
export function isPublic(address: Address): boolean {
  if (address.length === 4) return !specialIpv4.some((range) => contains(range, address))
  return contains(globalUnicast, address) && !specialIpv6.some((range) => contains(range, address))
}

interface Range {
  readonly base: Address
  readonly bits: number
}

const range = (text: string): Range => {
  const [address = '', bits = ''] = text.split('/')
  const base = parseAddress(address)
  if (base === null) throw new Error(`not a range: ${text}`)
  return { base, bits: Number(bits) }
}

const loopback = ['127.0.0.0/8', '::1/128'].map(range)

// IANA IPv4 Special-Purpose Address Registry, multicast, and the addresses at which clouds keep
// instance metadata outside those ranges (Azure; the others' are link-local or shared space).
const specialIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32',
].map(range)

const globalUnicast = range('2000::/3')

// IANA IPv6 Special-Purpose Address Registry, inside global unicast: protocol assignments (Teredo
// and ORCHID among them), documentation, 6to4.
const specialIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map(range)

function contains({ base, bits }: Range, address: Address): boolean {
  if (base.length !== address.length) return false
  return base.every((byte, index) => {
    const significant = Math.min(8, Math.max(0, bits - index * 8))
    const shift = 8 - significant
    return byte >> shift === (address[index] ?? 0) >> shift
  })
}

function parseIpv4(text: string): Address | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return null
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : null
}

function parseIpv6(text: string): Address | null {
  // An IPv4 tail is two groups; a zone (fe80::1%eth0) is no address that could be dialled from here.
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const ipv4 = tail ? parseIpv4(tail[2] ?? '') : null
  if (tail && ipv4 === null) return null
  const [a = 0, b = 0, c = 0, d = 0] = ipv4 ?? []
  const groups = ipv4
    ? `${tail?.[1] ?? ''}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
    : text
  const halves = groups.split('::')
  if (halves.length > 2) return null
  const [left, right] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const given = [...(left ?? []), ...(right ?? [])]
  if (!given.every((group) => /^[\da-f]{1,4}$/i.test(group))) return null
  const missing = 8 - given.length
  if (right === undefined ? missing !== 0 : missing < 1) return null
  const all = [...(left ?? []), ...Array<string>(Math.max(0, missing)).fill('0'), ...(right ?? [])]
  return all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255])
}
