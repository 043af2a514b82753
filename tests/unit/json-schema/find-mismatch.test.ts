import { Validator, type Schema } from '@cfworker/json-schema'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findMismatch } from '../../../supabase/functions/_shared/json-schema/find-mismatch.ts'
import { parseSchema } from '../../../supabase/functions/_shared/json-schema/parse-schema.ts'
import { cpuTimeOf } from '../../support/cpu-time.ts'

const mismatch = (schema: object, value: unknown, budget?: number) =>
  findMismatch(parseSchema(schema), value, budget)

describe('a value that does not match', () => {
  const person = {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1 },
      children: { type: 'array', items: { $ref: '#' }, maxItems: 2 },
    },
    required: ['name'],
    additionalProperties: false,
  }

  it.each([
    [{ name: 'Ann' }, null],
    [{ name: 'Ann', children: [{ name: 'Bob', children: [] }] }, null],
    [{ name: '' }, 'name minLength'],
    [{}, ' required'],
    [{ name: 'Ann', age: 3 }, ' additionalProperties'],
    [{ name: 'Ann', children: [{ name: 'Bob' }, { name: 3 }] }, 'children.1.name type'],
    [{ name: 'Ann', children: [1, 2, 3] }, 'children maxItems'],
    [[], ' type'],
    [JSON.parse('{"name":"Ann","__proto__":1}'), ' additionalProperties'],
  ])('%j is blamed on its place and keyword', (value, expected) => {
    const found = mismatch(person, value)
    expect(found && `${found.path} ${found.keyword}`).toBe(expected)
  })

  it.each([
    ['toString', { required: ['toString'] }],
    ['constructor', { required: ['constructor'] }],
  ])('does not have the %s that every object inherits', (_name, schema) => {
    expect(mismatch(schema, {})).toEqual({ path: '', keyword: 'required' })
  })

  it.each([
    [0.3, 0.1, true],
    [0.35, 0.1, false],
    [1e20, 10, true],
    [7, 2, false],
  ])('%d as a multiple of %d: %s', (value, multipleOf, holds) => {
    expect(mismatch({ multipleOf }, value) === null).toBe(holds)
  })

  it('counts characters and not units', () => {
    expect(mismatch({ maxLength: 2 }, '👩👩')).toBeNull()
    expect(mismatch({ minLength: 3 }, '👩👩')).toEqual({ path: '', keyword: 'minLength' })
  })
})

describe('schemas and values made to keep a worker busy', () => {
  const doubling = (levels: number) => {
    const next = (level: number) => ({ $ref: `#/$defs/d${level}` })
    const $defs: Record<string, object> = { [`d${levels}`]: { type: 'string' } }
    for (let i = 0; i < levels; i += 1) $defs[`d${i}`] = { anyOf: [next(i + 1), next(i + 1)] }
    return { $defs, ...next(0) }
  }

  it.each([
    ['alternatives that multiply', doubling(50), 1],
    ['a reference to itself', { $ref: '#' }, 1],
    ['two references in a circle', { $defs: { a: { $ref: '#' } }, $ref: '#/$defs/a' }, 1],
    ['a huge value', { items: { type: 'number' } }, Array.from({ length: 6_000_000 }, () => 1)],
    [
      'long strings counted again and again',
      { items: { anyOf: Array.from({ length: 500 }, () => ({ maxLength: 60_000 })) } },
      Array.from({ length: 10 }, () => 'é'.repeat(70_000)),
    ],
    ['a value nested without end', { additionalProperties: { $ref: '#' } }, nest(5_000)],
  ])('%s end as a mismatch', async (_name, schema, value) => {
    const read = () => expect(mismatch(schema, value)).toEqual({ path: '', keyword: 'budget' })
    expect(await cpuTimeOf(read)).toBeLessThan(10_000)
  })

  it('never run a regular expression of theirs', () => {
    expect(mismatch({ pattern: '^(a+)+$' }, `${'a'.repeat(40)}!`)).toBeNull()
  })

  it('leave room for 4 MB of an ordinary answer', () => {
    const item = {
      type: 'object',
      properties: { id: { type: 'integer' }, tag: { enum: ['a', 'b'] } },
    }
    const schema = { type: 'array', items: { ...item, required: ['id', 'tag'] } }
    const value = Array.from({ length: 200_000 }, (_, id) => ({ id, tag: 'b' }))
    expect(JSON.stringify(value).length).toBeGreaterThan(4_000_000)
    expect(mismatch(schema, value)).toBeNull()
  })

  function nest(levels: number): object {
    let value = {}
    for (let i = 0; i < levels; i += 1) value = { a: value }
    return value
  }
})

describe('compared with @cfworker/json-schema', () => {
  const name = fc.constantFrom('a', 'b', 'c')
  const leaf = fc.oneof(
    fc.constantFrom(null, true, false, '', 'a', 'bc', '👩', 0, 1, -1, 1.5, 2, 10),
    fc.constantFrom<unknown>([], {}, [1], { a: 1 }),
  )
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(name, tie('node'), { maxKeys: 3 }),
    ),
  })).node
  const count = fc.nat({ max: 3 })
  const type = fc.constantFrom('null', 'boolean', 'object', 'array', 'number', 'integer', 'string')
  const bound = fc.integer({ min: -2, max: 3 })
  const schema = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.boolean(),
      fc.record(
        {
          type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })),
          enum: fc.array(leaf, { minLength: 1, maxLength: 4 }),
          const: leaf,
          minimum: bound,
          maximum: bound,
          exclusiveMinimum: bound,
          exclusiveMaximum: bound,
          multipleOf: fc.constantFrom(1, 2, 0.5),
          minLength: count,
          maxLength: count,
          minItems: count,
          maxItems: count,
          minProperties: count,
          maxProperties: count,
          required: fc.uniqueArray(name, { maxLength: 2 }),
          properties: fc.dictionary(name, tie('node'), { maxKeys: 2 }),
          additionalProperties: tie('node'),
          propertyNames: fc.record(
            { maxLength: count, enum: fc.constant(['a', 'b']) },
            { requiredKeys: [] },
          ),
          items: tie('node'),
          prefixItems: fc.array(tie('node'), { minLength: 1, maxLength: 2 }),
          anyOf: fc.array(tie('node'), { minLength: 1, maxLength: 2 }),
          oneOf: fc.array(tie('node'), { minLength: 1, maxLength: 2 }),
          allOf: fc.array(tie('node'), { minLength: 1, maxLength: 2 }),
          not: tie('node'),
          $ref: fc.constantFrom('#/$defs/one', '#/$defs/two'),
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
    ),
  })).node
  const root = fc.record({ one: schema, two: schema, properties: schema })

  it('decides the same for generated schemas and values', () => {
    let matched = 0
    let differed = 0
    fc.assert(
      fc.property(
        root,
        fc.array(value, { minLength: 1, maxLength: 6 }),
        ({ one, two, properties }, values) => {
          const document = {
            $defs: { one: withoutReferences(one), two: withoutReferences(two) },
            allOf: [properties],
          }
          const parsed = parseSchema(document)
          const theirs = new Validator(document as Schema, '2020-12')
          for (const each of values) {
            const holds = theirs.validate(each).valid
            if (holds) matched += 1
            else differed += 1
            expect({ each, holds: findMismatch(parsed, each) === null }).toEqual({ each, holds })
          }
        },
      ),
      { numRuns: 1_000 },
    )
    // Both answers must have been asked for often, or the comparison says little.
    expect(Math.min(matched, differed)).toBeGreaterThan(200)
  })

  // A reference in a referenced schema could go in a circle, which theirs does not survive.
  function withoutReferences(node: unknown): unknown {
    return JSON.parse(JSON.stringify(node), (_key, item: unknown) => {
      if (typeof item !== 'object' || item === null || !('$ref' in item)) return item
      const rest: Record<string, unknown> = { ...item }
      delete rest['$ref']
      return rest
    }) as unknown
  }
})
