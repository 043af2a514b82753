import { Validator, type Schema } from '@cfworker/json-schema'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readArguments } from '../../../supabase/functions/_shared/tools/read-arguments.ts'
import { cpuTimeOf } from '../../support/cpu-time.ts'

const tool = (input_schema: Record<string, unknown>) => ({ name: 't', input_schema })
const problemOf = (text: string, schema: Record<string, unknown> = { type: 'object' }) =>
  readArguments(text, tool(schema)).problem

describe('the arguments that a model wrote', () => {
  const schema = {
    type: 'object',
    properties: { q: { type: 'string' }, filter: { type: 'object', required: ['by'] } },
    required: ['q'],
    additionalProperties: false,
  }

  it('are taken as they are when they match', () => {
    expect(readArguments('{"q":"x"}', tool(schema))).toEqual({ args: { q: 'x' } })
    expect(readArguments('', tool({ type: 'object' }))).toEqual({ args: {} })
  })

  it.each([
    ['{"q":', 'The arguments are not JSON.'],
    ['[1]', 'The arguments are not a JSON object.'],
    ['"q"', 'The arguments are not a JSON object.'],
    ['{}', 'The arguments do not match the schema of the tool: required.'],
    ['{"q":1}', 'At "q" the arguments do not match the schema of the tool: type.'],
    [
      '{"q":"x","filter":{}}',
      'At "filter" the arguments do not match the schema of the tool: required.',
    ],
    ['{"q":"x","r":1}', 'The arguments do not match the schema of the tool: additionalProperties.'],
    [`{"q":"${'x'.repeat(70_000)}"}`, 'The arguments are too long.'],
  ])('%# are refused with what to do better', (text, problem) => {
    expect(problemOf(text, schema)).toBe(problem)
  })

  it('may have null in place of an optional one, at any depth, and of no other', () => {
    const nested = {
      type: 'object',
      properties: {
        ...{ q: { type: 'string' }, n: { type: 'number' }, open: { type: ['null', 'string'] } },
        filter: { type: 'object', properties: { by: { type: 'string' } } },
      },
      required: ['q'],
    }
    const written = '{"q":"x","n":null,"filter":{"by":null}}'
    expect(readArguments(written, tool(nested))).toEqual({ args: { q: 'x', filter: {} } })
    expect(problemOf('{"q":null}', nested)).toBe(
      'At "q" the arguments do not match the schema of the tool: type.',
    )
    expect(readArguments('{"q":"x","open":null}', tool(nested))).toEqual({
      args: { q: 'x', open: null },
    })
  })

  it('are not held up by a pattern that would take for ever', async () => {
    const evil = { properties: { q: { type: 'string', pattern: '^(a+)+$' } } }
    const read = () => expect(problemOf(`{"q":"${'a'.repeat(40)}!"}`, evil)).toBeUndefined()
    expect(await cpuTimeOf(read)).toBeLessThan(3_000)
  })

  it('are not held up by a schema that multiplies', async () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => {
        const next = { $ref: `#/$defs/d${index + 1}` }
        return [`d${index}`, { allOf: [next, next] }]
      }),
    )
    const bomb = { $defs: { ...$defs, d40: {} }, $ref: '#/$defs/d0' }
    const read = () => expect(problemOf('{}', bomb)).toContain('budget')
    expect(await cpuTimeOf(read)).toBeLessThan(5_000)
  })

  it('are left to the server where the schema is beyond what is checked', () => {
    expect(problemOf('{"a":1}', { $ref: 'https://elsewhere.example/schema' })).toBeUndefined()
    expect(problemOf('{"a":1}', { type: 'no such type' })).toBeUndefined()
  })

  it('are never refused when they match the whole schema', () => {
    const leaf = fc.constantFrom<Schema>(
      { type: 'string', pattern: '^a' },
      { type: 'string', format: 'email' },
      { type: 'number', minimum: 1 },
      { not: { type: 'string', pattern: '^b' } },
      { not: { type: 'string' } },
      { enum: ['a', 1, null] },
      { const: 'ab' },
      { type: ['string', 'null'], maxLength: 2 },
      {},
    )
    const { schema: schemas } = fc.letrec<{ schema: Schema }>((tie) => ({
      schema: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((oneOf) => ({ oneOf })),
        fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
        fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((allOf) => ({ allOf })),
        tie('schema').map((not) => ({ not })),
        fc.record({ a: tie('schema'), b: tie('schema') }).map(({ a, b }) => ({
          type: 'object' as const,
          properties: { a },
          patternProperties: { '^b': b },
          additionalProperties: false,
        })),
        fc.record({ if: tie('schema'), then: tie('schema'), else: tie('schema') }),
        tie('schema').map((items) => ({
          type: 'array' as const,
          items,
          uniqueItems: true,
          contains: items,
        })),
      ),
    }))
    const value = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 2 },
        fc.constantFrom<unknown>('a', 'ab', 'b', 1, 0, null),
        fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value')),
        fc.array(tie('value'), { maxLength: 2 }),
      ),
    })).value
    let matched = 0
    fc.assert(
      fc.property(schemas, value, (a, inner) => {
        const whole = { type: 'object', properties: { a } }
        if (!new Validator(whole as Schema, '2020-12').validate({ a: inner }).valid) return
        matched += 1
        expect(problemOf(JSON.stringify({ a: inner }), whole)).toBeUndefined()
      }),
      { numRuns: 1_500 },
    )
    expect(matched).toBeGreaterThan(300)
  })
})
