import { BlockList, isIP, isIPv4 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isLoopback,
  isPublic,
  parseAddress,
} from '../../../supabase/functions/_shared/outbound/address.ts'

function parsed(text: string) {
  const address = parseAddress(text)
  if (address === null) throw new Error(`not an address: ${text}`)
  return address
}

describe('an address', () => {
  it('is read exactly when the system reads it', () => {
    const near = fc.stringMatching(/^[0-9a-f:.]{2,24}$/)
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), near), (text) => {
        expect(parseAddress(text) !== null).toBe(isIP(text) !== 0)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is the same however it is spelled in a URL', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
        const number = ((a * 256 + b) * 256 + c) * 256 + d
        const spellings = [
          `${number}`,
          `0x${number.toString(16)}`,
          `0${number.toString(8)}`,
          `0x${a.toString(16)}.${b}.${(c * 256 + d).toString()}`,
          `${text}.`,
        ]
        for (const spelling of spellings) {
          expect(parseAddress(new URL(`https://${spelling}/`).hostname)).toEqual([a, b, c, d])
        }
      }),
    )
    expect(new URL('https://１２７.０.０.１/').hostname).toBe('127.0.0.1')
  })

  it.each([
    ['::1', [...Array<number>(15).fill(0), 1]],
    ['[::ffff:127.0.0.1]', [...Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1]],
    ['2001:db8::a:b', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa, 0, 0xb]],
    ['1.2.3.4', [1, 2, 3, 4]],
  ])('%s has the bytes it should have', (text, bytes) => {
    expect(parseAddress(text)).toEqual(bytes)
  })

  it.each([
    'example.com',
    '1.2.3',
    '01.2.3.4',
    '256.1.1.1',
    'fe80::1%eth0',
    '1::2::3',
    '1:2:3:4:5:6:7::8:9',
    '::1.2.3.256',
    '',
  ])('is not read from %s', (text) => {
    expect(parseAddress(text)).toBe(null)
  })
})

describe('a public address', () => {
  it.each(['1.1.1.1', '8.8.8.8', '172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1'])(
    'may be %s',
    (text) => {
      expect(isPublic(parsed(text))).toBe(true)
    },
  )
  it.each(['2606:4700:4700::1111', '2a00:1450:4001::1', '2001:4860:4860::8888'])(
    'may be %s',
    (text) => {
      expect(isPublic(parsed(text))).toBe(true)
    },
  )

  it.each([
    ['this network', '0.0.0.0'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['shared', '100.64.0.1'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['link-local, metadata', '169.254.169.254'],
    ['metadata of Alibaba', '100.100.100.200'],
    ['metadata of Oracle', '192.0.0.192'],
    ['metadata of Azure', '168.63.129.16'],
    ['documentation', '192.0.2.1'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['benchmarking', '198.19.0.1'],
    ['6to4 relay', '192.88.99.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['IPv4-compatible', '::127.0.0.1'],
    ['IPv4-compatible, public', '::8.8.8.8'],
    ['IPv4-mapped', '::ffff:10.0.0.1'],
    ['IPv4-mapped, hexadecimal', '::ffff:7f00:1'],
    ['IPv4-mapped, public', '::ffff:8.8.8.8'],
    ['IPv4-translated', '::ffff:0:10.0.0.1'],
    ['NAT64', '64:ff9b::10.0.0.1'],
    ['NAT64, local', '64:ff9b:1::10.0.0.1'],
    ['discard', '100::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['ORCHID', '2001:20::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['6to4', '2002:7f00:1::'],
    ['unique local, metadata of AWS', 'fd00:ec2::254'],
    ['unique local', 'fc00::1'],
    ['link-local', 'fe80::1'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
  ])('is not %s: %s', (_, text) => {
    expect(isPublic(parsed(text))).toBe(false)
  })

  it('is none that embeds or is a private IPv4 address, whatever the address', () => {
    const privateRanges = new BlockList()
    privateRanges.addSubnet('10.0.0.0', 8, 'ipv4')
    privateRanges.addSubnet('127.0.0.0', 8, 'ipv4')
    privateRanges.addSubnet('169.254.0.0', 16, 'ipv4')
    privateRanges.addSubnet('172.16.0.0', 12, 'ipv4')
    privateRanges.addSubnet('192.168.0.0', 16, 'ipv4')
    const inside = fc
      .tuple(
        fc.constantFrom('10.x.y.z', '127.x.y.z', '169.254.y.z', '172.16.y.z', '192.168.y.z'),
        fc.ipV4(),
      )
      .map(([pattern, random]) => {
        const [, x = '', y = '', z = ''] = random.split('.')
        return pattern.replace('x', x).replace('y', y).replace('z', z)
      })
    fc.assert(
      fc.property(inside, (ipv4) => {
        expect(privateRanges.check(ipv4, 'ipv4')).toBe(true)
        const hex = parsed(ipv4).map((byte) => byte.toString(16).padStart(2, '0'))
        const groups = `${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`
        const spellings = [
          ipv4,
          `::${ipv4}`,
          `::ffff:${ipv4}`,
          `64:ff9b::${ipv4}`,
          `2002:${groups}::1`,
        ]
        for (const text of spellings) expect(isPublic(parsed(text)), text).toBe(false)
      }),
    )
  })
})

describe('a loopback address', () => {
  it('is 127.0.0.0/8 or ::1 and no other', () => {
    for (const text of ['127.0.0.1', '127.9.9.9', '::1'])
      expect(isLoopback(parsed(text))).toBe(true)
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const expected = isIPv4(text) ? text.startsWith('127.') : /^[0:]*:0*1$/.test(text)
        expect(isLoopback(parsed(text))).toBe(expected)
      }),
    )
    for (const text of ['::ffff:127.0.0.1', '::127.0.0.1', '0.0.0.0', '::']) {
      expect(isLoopback(parsed(text))).toBe(false)
    }
  })
})
