import { isRecord } from '../json.ts'
import type { JsonSchema, ParsedSchema } from './parse-schema.ts'

const refused = [
  'allOf',
  'oneOf',
  'not',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'prefixItems',
]

/**
 * Whether a provider's strict mode accepts a schema: an object at the root, every object closed and
 * all its properties required. A model only tries to follow another schema.
 * https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 */
export function isStrict({ root, subschemas }: ParsedSchema): boolean {
  if (root['type'] !== 'object' || root['anyOf'] !== undefined) return false
  return [...subschemas.values()].every(isStrictPart)
}

function isStrictPart(schema: JsonSchema): boolean {
  // The only one of strict mode is `additionalProperties: false`, which says true of nothing.
  if (typeof schema === 'boolean') return !schema
  if (refused.some((keyword) => keyword in schema)) return false
  const { properties, required, additionalProperties, type } = schema
  if (properties === undefined && ![type].flat().includes('object')) return true
  const names = isRecord(properties) ? Object.keys(properties) : []
  const mandatory: unknown[] = Array.isArray(required) ? required : []
  return additionalProperties === false && names.every((name) => mandatory.includes(name))
}
