import { describe, expect, it } from 'vitest'
import { verifySecretKey } from '../../../supabase/functions/_shared/auth/secret-key.ts'

const key = 'sb_secret_cleanup'
const verify = (headers: Record<string, string>, expected: string | undefined = key) =>
  verifySecretKey(new Headers(headers), expected)

describe('the named secret key', () => {
  it('in the apikey header is accepted', async () => {
    await expect(verify({ apikey: key })).resolves.toBeUndefined()
  })

  it.each([
    ['missing', {}],
    ['empty', { apikey: '' }],
    ['another', { apikey: 'sb_secret_default' }],
    ['a prefix', { apikey: key.slice(0, -1) }],
    ['longer', { apikey: `${key}x` }],
    ['in another case', { apikey: key.toUpperCase() }],
    ['sent as a bearer token', { authorization: `Bearer ${key}` }],
  ] as [string, Record<string, string>][])('that is %s is refused', async (_, headers) => {
    await expect(verify(headers)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
  })

  it('that is not configured accepts nothing', async () => {
    for (const apikey of [key, 'undefined', '']) {
      await expect(verifySecretKey(new Headers({ apikey }), undefined)).rejects.toMatchObject({
        code: 'unauthorized',
      })
    }
  })
})
