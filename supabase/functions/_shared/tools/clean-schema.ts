import { isRecord } from '../json.ts'

type Fields = Readonly<Record<string, unknown>>

/** Keywords under which null is a value. */
const valued = new Set(['default', 'const', 'enum', 'examples'])
const byName = new Set([
  ...['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'],
])
const listed = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])

/**
 * A server's schema without what says nothing and is refused all the same: keywords that are null, and
 * lists where there are to be names (PHP writes an empty object as `[]`). Callers bound its depth.
 */
export function cleanSchema(schema: Fields): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (value === null && !valued.has(keyword)) continue
    if (valued.has(keyword)) result[keyword] = value
    else if (byName.has(keyword)) result[keyword] = cleanNamed(value)
    else if (listed.has(keyword) && Array.isArray(value)) result[keyword] = value.map(cleanOne)
    else result[keyword] = isRecord(value) ? cleanSchema(value) : value
  }
  return result
}

function cleanNamed(value: unknown): Fields {
  if (!isRecord(value)) return {}
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, schema]) => schema !== null)
      .map(([name, schema]) => [name, cleanOne(schema)]),
  )
}

function cleanOne(schema: unknown): unknown {
  return isRecord(schema) ? cleanSchema(schema) : schema
}
