import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorLine, redact } from '../../../supabase/functions/_shared/log/redact.ts'
import { PRIVATE_KEY } from '../models/vertex-support.ts'

describe('redaction', () => {
  it.each([
    ['Incorrect API key provided: sk-abcd***wxyz.', 'sk-abcd'],
    ['Authorization: Bearer abc.def-123', 'abc.def'],
    ['token eyJhbGciOi.eyJzdWIi.c2ln', 'eyJ'],
    ['ya29.c.b0Aaek', 'b0Aaek'],
    ['key AIzaSyA-1234567890', 'SyA'],
    ['GET /x?key=secret123&alt=sse', 'secret123'],
    ['sb_secret_abc', 'abc'],
    [`a key clq_${'Ab-_'.repeat(10)}xyz, and a part clq_Ab`, 'Ab'],
    [PRIVATE_KEY, 'MII'],
    [JSON.stringify(PRIVATE_KEY).slice(0, 300), 'MII'],
  ])('removes what looks like a credential: %#', (text, secret) => {
    expect(redact(text)).not.toContain(secret)
    expect(redact(text)).toContain('[redacted]')
  })

  it('leaves other words alone', () => {
    const text = 'The model is overloaded, risk-averse clients retry (key=value)'
    expect(redact(text)).toBe(text)
  })

  it('never shows a given secret, wherever the text is cut', () => {
    const secret = 'plainsecretwithoutanyshape'
    fc.assert(
      fc.property(fc.string({ maxLength: 1200 }), fc.nat(1500), (filler, cutAt) => {
        const text = (filler + secret + filler + secret).slice(0, cutAt)
        const shown = redact(text, [secret], cutAt < 2 * (filler.length + secret.length))
        expect(shown).not.toContain(secret.slice(0, 8))
        expect(shown.length).toBeLessThanOrEqual(1001)
      }),
    )
  })

  it('describes an error with its causes', () => {
    const cause = new Error('connect ECONNREFUSED with sk-abcdef')
    const error = new TypeError('fetch failed', { cause })
    expect(errorLine(error)).toBe(
      'TypeError: fetch failed: Error: connect ECONNREFUSED with [redacted]',
    )
    expect(errorLine('text')).toBe('not an Error')
  })
})
