import {
  type JsonSchema,
  type ParsedSchema,
  parseSchema,
  SchemaError,
} from '../json-schema/parse-schema.ts'
import { isRecord } from '../json.ts'

type Fields = Readonly<Record<string, unknown>>

const ofOne = ['additionalProperties', 'items', 'propertyNames']
const ofMany = ['allOf', 'anyOf', 'prefixItems']
const byName = ['properties', '$defs', 'definitions']
const plain = [
  ...['$ref', 'type', 'enum', 'const', 'required', 'minProperties', 'maxProperties', 'minItems'],
  ...['maxItems', 'minLength', 'maxLength', 'minimum', 'maximum', 'exclusiveMinimum'],
  ...['exclusiveMaximum', 'multipleOf'],
]

/**
 * The part of a server's schema that is checked before a call: it holds wherever the whole schema
 * holds. The server checks the rest (patterns, conditions, negations, keywords of other dialects).
 * null: nothing of it can be checked.
 */
export function checkableSchema(schema: Fields): ParsedSchema | null {
  try {
    const weaker = weaken(schema)
    return parseSchema(isRecord(weaker) ? weaker : {})
  } catch (error) {
    if (error instanceof SchemaError || error instanceof RangeError) return null
    throw error
  }
}

function weaken(schema: unknown): JsonSchema {
  if (typeof schema === 'boolean') return schema
  if (!isRecord(schema)) return true
  const result: Record<string, unknown> = {}
  for (const keyword of plain) if (keyword in schema) result[keyword] = schema[keyword]
  for (const keyword of ofOne) if (keyword in schema) result[keyword] = weaken(schema[keyword])
  for (const keyword of ofMany) {
    const list = schema[keyword]
    if (Array.isArray(list)) result[keyword] = list.map(weaken)
  }
  for (const keyword of byName) {
    const named = schema[keyword]
    if (isRecord(named)) result[keyword] = mapValues(named, weaken)
  }
  // Names that a pattern allows would be others.
  if ('patternProperties' in schema) delete result['additionalProperties']
  // Exactly one of weaker schemas is no longer weaker; one at least is.
  const { oneOf, nullable, type } = schema
  if (Array.isArray(oneOf)) {
    const alternatives = { anyOf: oneOf.map(weaken) }
    const others = Array.isArray(result['allOf']) ? (result['allOf'] as unknown[]) : []
    result['allOf'] = [...others, alternatives]
  }
  // OpenAPI's way to say it.
  if (nullable === true && type !== undefined) {
    result['type'] = [...new Set([type, 'null'].flat())]
    delete result['enum']
    delete result['const']
  }
  return result
}

function mapValues(fields: Fields, map: (value: unknown) => unknown): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, map(value)]))
}
