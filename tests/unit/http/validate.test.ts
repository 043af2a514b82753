import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { storableText, validate } from '../../../supabase/functions/_shared/http/validate.ts'

const schema = z.strictObject({
  name: storableText(5).optional(),
  content: z.union([
    z.string(),
    z.array(
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('text'), text: z.string() }),
        z.strictObject({ type: z.literal('file'), url: z.string() }),
      ]),
    ),
  ]),
})

describe('validation', () => {
  it('returns what fits', () => {
    const data = { name: 'a', content: [{ type: 'text', text: 'b' }] }
    expect(validate(schema, data)).toEqual(data)
  })

  it.each([
    ['a missing field', {}, 'content'],
    ['a wrong type', { content: 1 }, 'content'],
    ['an unknown key', { content: '', colour: 1 }, 'colour'],
    ['a key of the prototype', JSON.parse('{"content":"","__proto__":{}}'), '__proto__'],
    ['a long text', { content: '', name: 'abcdef' }, 'name'],
    ['a field of a union', { content: [{ type: 'text', text: 1 }] }, 'content.0.text'],
    ['an unknown key in a union', { content: [{ type: 'text', text: '', x: 1 }] }, 'content.0.x'],
    [
      'an unknown variant',
      { content: [{ type: 'text', text: '' }, { type: 'x' }] },
      'content.1.type',
    ],
    ['a variant that is no object', { content: [7] }, 'content.0'],
    ['something else', 'text', ''],
    ['null', null, ''],
    ['an array', [], ''],
  ] as [string, unknown, string][])('names the path of %s', (_, data, path) => {
    expect(() => validate(schema, data)).toThrow(
      expect.objectContaining({ code: 'invalid_request', status: 400, path }) as Error,
    )
  })

  it.each(['a\u0000b', '\ud800', 'x\udc00'])(
    'refuses %j, which PostgreSQL cannot store',
    (name) => {
      expect(() => validate(schema, { content: '', name })).toThrow(
        expect.objectContaining({ path: 'name' }) as Error,
      )
    },
  )

  it('accepts the characters that PostgreSQL stores', () => {
    expect(validate(schema, { content: '', name: '🎈\t\u0001' })).toMatchObject({
      name: '🎈\t\u0001',
    })
  })

  it('does not repeat a key or a sentence of any length', () => {
    const key = 'k'.repeat(100_000)
    const error = (() => {
      try {
        return validate(schema, { content: '', [key]: 1 })
      } catch (thrown) {
        return thrown
      }
    })() as { message: string; path: string }
    expect(error.path.length).toBeLessThanOrEqual(200)
    expect(error.message.length).toBeLessThanOrEqual(300)
  })
})
