import { describe, expect, it } from 'vitest'
import { cleanSchema } from '../../../supabase/functions/_shared/tools/clean-schema.ts'
import { modelSchema } from '../../../supabase/functions/_shared/tools/model-schema.ts'
import { checkableSchema } from '../../../supabase/functions/_shared/tools/checkable-schema.ts'
import { readDefinition } from '../../../supabase/functions/_shared/tools/read-definition.ts'
import { hostileJson, seeded } from '../../support/hostile-json.ts'

describe('a server’s schema is kept without what providers refuse', () => {
  it.each<[object, object]>([
    [{ required: 'a' }, {}],
    [{ required: true }, {}],
    [{ required: ['a', null, 7] }, { required: ['a'] }],
    [{ type: 'OBJECT' }, { type: 'object' }],
    [{ type: ['String', 'null', 'any', null] }, { type: ['string', 'null'] }],
    [{ type: 'any' }, {}],
    [{ type: '' }, {}],
    [{ enum: 'a', const: null }, { const: null }],
    [{ enum: [] }, {}],
    [{ anyOf: [] }, {}],
    [{ anyOf: { type: 'string' } }, {}],
    [{ oneOf: ['x', { type: 'string' }, true] }, { oneOf: [{ type: 'string' }, true] }],
    [{ type: 'array' }, { type: 'array', items: {} }],
    [
      { type: ['array', 'null'], items: 'x' },
      { type: ['array', 'null'], items: {} },
    ],
    [
      { type: 'array', items: [{ type: 'string' }], additionalItems: false },
      { type: 'array', prefixItems: [{ type: 'string' }], items: false },
    ],
    [{ minLength: '3', maxLength: 'x', minItems: -1, minimum: null }, { minLength: 3 }],
    [{ multipleOf: 0, maximum: '', minimum: '-1.5' }, { minimum: -1.5 }],
    [{ exclusiveMinimum: true, minimum: 1 }, { minimum: 1 }],
    [{ description: { en: 'x' }, title: 7, pattern: [] }, {}],
    [{ additionalProperties: 'false', nullable: 'yes' }, {}],
    [{ properties: { a: 'string', b: true, c: [] } }, { properties: { a: {}, b: true, c: {} } }],
    [{ $defs: 'x', not: 'y' }, { $defs: {} }],
    [
      { 'x-own': [null, 1], other: { type: 'any' } },
      { 'x-own': [null, 1], other: {} },
    ],
  ])('%j', (schema, kept) => {
    expect(cleanSchema(schema as Record<string, unknown>)).toEqual(kept)
  })
})

describe('a model is given an object with fields', () => {
  const string = { type: 'string' }
  it.each<[string, object, object]>([
    [
      'of alternatives: the fields of all, and no field that one of them does not need',
      {
        properties: { a: string },
        required: ['a'],
        anyOf: [{ properties: { b: string }, required: ['b'] }, { required: ['a'] }],
        oneOf: [{ properties: { c: string } }],
      },
      { properties: { a: string, b: string, c: string }, required: ['a'] },
    ],
    [
      'of parts that all hold: their fields and what they need',
      { allOf: [{ properties: { a: string }, required: ['a'] }, { properties: { b: string } }] },
      { properties: { a: string, b: string }, required: ['a'] },
    ],
    [
      'of a reference: what it leads to',
      {
        $ref: '#/definitions/Args',
        definitions: { Args: { $ref: '#/definitions/Own' }, Own: { properties: { a: string } } },
      },
      {
        properties: { a: string },
        definitions: { Args: { $ref: '#/definitions/Own' }, Own: { properties: { a: string } } },
      },
    ],
    [
      'of a reference in a circle',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } },
      {
        properties: {},
        $defs: { a: { $ref: '#/$defs/a' } },
      },
    ],
    ['of a reference that leads nowhere', { $ref: '#/$defs/a' }, { properties: {} }],
    [
      'of conditions',
      { if: {}, then: {}, else: {}, not: {}, enum: [{}], const: {} },
      {
        properties: {},
      },
    ],
    [
      'whose own description of a field counts first',
      { properties: { a: string }, allOf: [{ properties: { a: { type: 'number' } } }] },
      { properties: { a: string } },
    ],
  ])('%s', (_what, schema, given) => {
    expect(modelSchema(schema as Record<string, unknown>)).toEqual({ type: 'object', ...given })
  })
})

it('10,000 hostile schemas are kept as schemas that can be read', { timeout: 120_000 }, () => {
  const random = seeded(9)
  const words = [
    ...['type', 'properties', 'items', 'anyOf', 'allOf', '$ref', '#/$defs/a', '$defs', 'required'],
    ...['enum', 'object', 'array', 'minLength', 'multipleOf', 'additionalProperties', 'maximum'],
  ]
  let kept = 0
  for (let round = 0; round < 10_000; round += 1) {
    const inputSchema = { ...(hostileJson(random, words) as object | null), type: 'object' }
    const { definition } = readDefinition({ name: 't', inputSchema }, 0)
    const model = modelSchema(definition?.input_schema ?? {})
    // A reference may lead nowhere, which the check of the arguments says.
    if (!definition || JSON.stringify(definition).includes('"$ref"')) continue
    if (checkableSchema(definition.input_schema) === null) expect.fail(JSON.stringify(definition))
    if (checkableSchema(model) === null) expect.fail(JSON.stringify(model))
    kept += 1
  }
  expect(kept).toBeGreaterThan(3_000)
})
