import { describe, expect, it } from 'vitest'
import { readKeyset } from '../../../supabase/functions/_shared/crypto/keyset.ts'
import { open, seal } from '../../../supabase/functions/_shared/crypto/seal.ts'
import { newKey } from './keys.ts'

const place = { table: 't', organizationId: 1, row: 'r', column: 'c' }

describe('the keyset', () => {
  it('seals with the first key and opens with all of them', async () => {
    const [a, b] = [newKey('2026-05'), newKey('2026-11')]
    const old = await seal(await readKeyset(a), place, 'secret')
    const keyset = await readKeyset(` ${b} , ${a} `)
    expect(keyset.primary.id).toBe('2026-11')
    expect(await open(keyset, place, old)).toBe('secret')
    await expect(open(await readKeyset(b), place, old)).rejects.toThrow('not configured')
  })

  it('reads base64 and base64url, padded or not', async () => {
    const bytes = Buffer.alloc(32, 0xfb).fill(1, 0, 1)
    const texts = [bytes.toString('base64'), bytes.toString('base64url')]
    const sealed = await seal(await readKeyset(`a:${texts[0]}`), place, 'secret')
    expect(await open(await readKeyset(`a:${texts[1]}`), place, sealed)).toBe('secret')
  })

  it.each([
    ['is missing', undefined, /is not set/],
    ['is empty', ' ', /is not set/],
    ['has no key id', 'c2VjcmV0', /entry 1 is not/],
    ['has a key id that a sealed value cannot hold', `a.b:${'A'.repeat(43)}`, /entry 1 is not/],
    ['has a key id that is too long', `${'a'.repeat(65)}:${'A'.repeat(43)}`, /entry 1 is not/],
    ['has a key that is not base64', 'a:se*cret', /the key a is not base64/],
    ['has a short key', `a:${Buffer.alloc(16, 'x1').toString('base64')}`, /16 bytes instead of 32/],
    ['has a long key', `a:${Buffer.alloc(33, 'x1').toString('base64')}`, /33 bytes instead of 32/],
    ['has a key of zeros', `a:${Buffer.alloc(32).toString('base64')}`, /one byte repeated/],
    ['has a duplicate id', `${newKey('a')},${newKey('a')}`, /the key id a is there twice/],
    ['has an empty entry', `${newKey('a')},`, /entry 2 is not/],
  ])('is refused when it %s', async (_, text, message) => {
    const refusal = readKeyset(text)
    await expect(refusal).rejects.toThrow(/^TOKEN_ENCRYPTION_KEYS/)
    await expect(refusal).rejects.toThrow(message)
  })

  it('is refused when it has one key under two ids, without saying the key', async () => {
    const key = newKey('a')
    const refusal = readKeyset(`${key},b${key.slice(1)}`)
    await expect(refusal).rejects.toThrow(/the key b is there under another id too/)
    await expect(refusal).rejects.not.toThrow(key.slice(2))
  })
})
