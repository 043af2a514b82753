import { describe, expect, it } from 'vitest'
import { isStrict } from '../../../supabase/functions/_shared/json-schema/is-strict.ts'
import { parseSchema } from '../../../supabase/functions/_shared/json-schema/parse-schema.ts'

const closed = { additionalProperties: false }
const text = { type: 'string' }

describe('strict mode of a provider', () => {
  it.each<[object, boolean]>([
    [{ type: 'object', properties: { a: text }, required: ['a'], ...closed }, true],
    [{ type: 'object', properties: {}, ...closed }, true],
    [{ type: 'object', properties: { a: text }, ...closed }, false],
    [{ type: 'object', properties: { a: text }, required: ['a'] }, false],
    [{ type: ['object', 'null'], ...closed }, false],
    [{ type: 'object', properties: { a: { type: 'object' } }, required: ['a'], ...closed }, false],
    [{ type: 'object', properties: { a: true }, required: ['a'], ...closed }, false],
    [{ type: 'object', ...closed, allOf: [text] }, false],
    [{ type: 'object', ...closed, anyOf: [text] }, false],
    [text, false],
    [{}, false],
  ])('takes %j: %s', (schema, takes) => {
    expect(isStrict(parseSchema(schema))).toBe(takes)
  })
})
