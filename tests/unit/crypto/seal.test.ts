import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64Url, toBase64Url } from '../../../supabase/functions/_shared/crypto/base64.ts'
import { type Keyset, readKeyset } from '../../../supabase/functions/_shared/crypto/keyset.ts'
import {
  open,
  OpenError,
  type Place,
  seal,
  sealedWith,
} from '../../../supabase/functions/_shared/crypto/seal.ts'
import { newKey } from './keys.ts'

const place: Place = {
  table: 'public.mcp_oauth_tokens',
  organizationId: 7,
  row: '0190a000-0000-7000-8000-000000000001/12',
  column: 'access_token',
}

const places: fc.Arbitrary<Place> = fc.record({
  table: fc.string(),
  organizationId: fc.integer({ min: 1 }),
  row: fc.string({ unit: 'binary' }),
  column: fc.string(),
})

async function opens(keyset: Keyset, where: Place, sealed: string): Promise<boolean> {
  try {
    await open(keyset, where, sealed)
    return true
  } catch (error) {
    if (error instanceof OpenError) return false
    throw error
  }
}

describe('a sealed value', () => {
  it('opens where it was sealed, whatever it is', async () => {
    const keyset = await readKeyset(newKey('a'))
    const property = fc.asyncProperty(
      places,
      fc.string({ unit: 'grapheme', size: 'large' }),
      async (where, secret) => {
        const sealed = await seal(keyset, where, secret)
        expect(sealed).toMatch(/^v1\.a\.[\w-]{16}\.[\w-]{22,}$/)
        expect(await open(keyset, where, sealed)).toBe(secret)
      },
    )
    await fc.assert(property, { numRuns: 200 })
  })

  it('opens in no other place', async () => {
    const keyset = await readKeyset(newKey('a'))
    const property = fc.asyncProperty(places, places, async (from, to) => {
      fc.pre(JSON.stringify(from) !== JSON.stringify(to))
      expect(await opens(keyset, to, await seal(keyset, from, 'secret'))).toBe(false)
    })
    await fc.assert(property, { numRuns: 300 })
  })

  it.each<[string, Partial<Place>]>([
    ['table', { table: 'public.oauth_states' }],
    ['organization', { organizationId: 8 }],
    ['row', { row: '0190a000-0000-7000-8000-000000000001/13' }],
    ['column', { column: 'refresh_token' }],
  ])('does not open under another %s', async (_, change) => {
    const keyset = await readKeyset(newKey('a'))
    const sealed = await seal(keyset, place, 'secret')
    expect(await opens(keyset, place, sealed)).toBe(true)
    expect(await opens(keyset, { ...place, ...change }, sealed)).toBe(false)
  })

  it('does not open when parts of the place change sides', async () => {
    const keyset = await readKeyset(newKey('a'))
    const sealed = await seal(keyset, { ...place, row: 'a","b', column: 'c' }, 'secret')
    expect(await opens(keyset, { ...place, row: 'a', column: 'b","c' }, sealed)).toBe(false)
    const digits = await seal(keyset, { ...place, organizationId: 1, row: '23' }, 'secret')
    expect(await opens(keyset, { ...place, organizationId: 12, row: '3' }, digits)).toBe(false)
  })

  it.each(['s', 'se', 'sec'])('does not open after any single bit changed (%s)', async (secret) => {
    // Three lengths, so that the last character of the text has zero, two and four unused bits.
    const keyset = await readKeyset(`${newKey('a')},${newKey('c')},${newKey('q')}`)
    const sealed = await seal(keyset, place, secret)
    const bytes = new TextEncoder().encode(sealed)
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = bytes.slice()
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const text = new TextDecoder().decode(changed)
      expect(await opens(keyset, place, text), `bit ${bit}`).toBe(false)
    }
  })

  it('does not open as another version or under another key id', async () => {
    const material = newKey('a').split(':')[1] ?? ''
    const sealed = await seal(await readKeyset(`a:${material}`), place, 'secret')
    expect(await opens(await readKeyset(`a:${material}`), place, `v2${sealed.slice(2)}`)).toBe(
      false,
    )
    const renamed = sealed.replace('v1.a.', 'v1.b.')
    expect(await opens(await readKeyset(`b:${material}`), place, renamed)).toBe(false)
  })

  it('says neither the secret nor the ciphertext when it does not open', async () => {
    const keyset = await readKeyset(newKey('a'))
    const sealed = await seal(keyset, place, 'secret')
    const refusal = open(keyset, { ...place, row: 'x' }, sealed)
    await expect(refusal).rejects.toThrow(/^public\.mcp_oauth_tokens\.access_token: damaged/)
    for (const text of ['', 'v1', 'secret', 'v1.a.b.c', 'v1.a..', `${sealed}.x`]) {
      expect(await opens(keyset, place, text), text).toBe(false)
    }
  })

  it('is another text each time', async () => {
    const keyset = await readKeyset(newKey('a'))
    const all = await Promise.all(Array.from({ length: 100 }, () => seal(keyset, place, 'secret')))
    expect(new Set(all).size).toBe(100)
  })

  it('names the key that sealed it', async () => {
    const sealed = await seal(await readKeyset(newKey('2026-11')), place, 'secret')
    expect(sealedWith(sealed)).toBe('2026-11')
    expect(sealedWith('plain')).toBe(null)
  })
})

describe('base64url', () => {
  it('reads exactly what it writes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
        const bytes = fromBase64Url(text)
        if (bytes !== null) expect(toBase64Url(bytes)).toBe(text)
      }),
    )
  })
})
