import { expect, it } from 'vitest'
import { stringifyStorable } from '../../supabase/functions/_shared/storable.ts'

it.each([
  ['\0', '\uFFFD'],
  ['a\ud800b', 'a\uFFFDb'],
  ['\udc00', '\uFFFD'],
])('text that PostgreSQL does not store becomes text that it does: %j', (text, stored) => {
  const chunk = { type: 'x', input: { [text]: [text, { deep: text }] } }
  expect(JSON.parse(stringifyStorable(chunk))).toEqual({
    type: 'x',
    input: { [stored]: [stored, { deep: stored }] },
  })
})

it.each(['🎈', String.raw`\u0000`, 'a\nb'])('other text stays as it is: %j', (text) => {
  expect(stringifyStorable({ text })).toBe(JSON.stringify({ text }))
})
