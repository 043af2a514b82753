import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  parseSchema,
  SchemaError,
  schemaLimits,
} from '../../../supabase/functions/_shared/json-schema/parse-schema.ts'

function problemOf(schema: unknown): string {
  try {
    parseSchema(schema)
  } catch (error) {
    if (error instanceof SchemaError) return `${error.path.join('.')} ${error.message}`
    throw error
  }
  return 'none'
}

const nest = (levels: number): object => (levels === 0 ? {} : { not: nest(levels - 1) })

describe('a schema from outside', () => {
  it('may be what zod makes of types, with definitions and references', () => {
    const Node = z.object({
      id: z.int(),
      mail: z.email(),
      kind: z.enum(['leaf', 'branch']),
      labels: z.record(z.string(), z.string()),
      get children() {
        return z.array(Node).max(3)
      },
    })
    const { subschemas } = parseSchema(z.toJSONSchema(Node))
    expect([...subschemas.keys()]).toContain('#/properties/children/items')
  })

  it.each([
    [null, ' is not an object'],
    [true, ' is not an object'],
    [[], ' is not an object'],
    [{ type: 'text' }, 'type is not a type, or a list of types'],
    [{ type: [] }, 'type is not a type, or a list of types'],
    [
      { properties: { a: { type: 'string', minLength: -1 } } },
      'properties.a.minLength is not a count',
    ],
    [{ properties: [] }, 'properties is not an object of schemas'],
    [{ items: [{}] }, 'items is not a schema'],
    [{ anyOf: [] }, 'anyOf is not a list of schemas'],
    [{ anyOf: [{}, 3] }, 'anyOf.1 is not a schema'],
    [{ multipleOf: 0 }, 'multipleOf is not a positive number'],
    [{ enum: [] }, 'enum is not a list of values'],
    [{ required: [1] }, 'required is not a list of names'],
    [{ exclusiveMinimum: true }, 'exclusiveMinimum is not a number'],
    [
      { properties: { a: { patternProperties: {} } } },
      'properties.a.patternProperties is not a supported keyword',
    ],
    [{ uniqueItems: true }, 'uniqueItems is not a supported keyword'],
    [JSON.parse('{"__proto__":{}}'), '__proto__ is not a supported keyword'],
    [
      { $ref: 'https://example.com/schema.json' },
      '$ref is not a reference inside this schema: "#" or "#/…"',
    ],
    [{ $ref: 'other.json#/a' }, '$ref is not a reference inside this schema: "#" or "#/…"'],
    [{ $ref: '#anchor' }, '$ref is not a reference inside this schema: "#" or "#/…"'],
    [{ $ref: '#/$defs/absent' }, '$ref leads to no schema'],
    [{ $defs: { a: {} }, items: { $ref: '#/$defs' } }, 'items.$ref leads to no schema'],
    [{ enum: [{ $defs: {} }], $ref: '#/enum/0' }, '$ref leads to no schema'],
    [nest(schemaLimits.depth), ` is nested deeper than ${schemaLimits.depth} levels`],
    [{ const: 'x'.repeat(schemaLimits.bytes) }, ` is longer than ${schemaLimits.bytes} bytes`],
    [
      { prefixItems: Array.from({ length: schemaLimits.subschemas }, () => ({})) },
      ` has more than ${schemaLimits.subschemas} subschemas`,
    ],
  ])('%#: is refused with the place', (schema, expected) => {
    expect(problemOf(schema)).toBe(expected)
  })

  it('may be nested as deep as the limit, and a value in it is counted too', () => {
    expect(problemOf(nest(schemaLimits.depth - 1))).toBe('none')
    let deep: unknown = 1
    for (let i = 0; i < 100_000; i += 1) deep = [deep]
    expect(problemOf({ const: deep })).toContain('nested deeper')
  })

  it('may refer to names with slashes, tildes and percent signs', () => {
    const $defs = { 'a/b~c%d': { type: 'string' } }
    expect(problemOf({ $defs, $ref: '#/$defs/a~1b~0c%25d' })).toBe('none')
  })
})
