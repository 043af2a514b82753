import type { PostgresType } from 'postgres'

/**
 * How lite's connections write json and jsonb. lite passes objects, numbers and booleans as JSON
 * text, and strings as they are; the driver would serialise that text once more and store one
 * string, so that `->>` finds nothing in it. What is JSON already is therefore passed on.
 *
 * Left over: a bare string that reads like JSON, `"5"` in a jsonb column, arrives as the number 5.
 */
export const jsonTypes = { json: jsonType(114), jsonb: jsonType(3802) }

function jsonType(oid: number): PostgresType {
  return {
    to: oid,
    from: [oid],
    serialize: (value: unknown) =>
      typeof value === 'string' && isJson(value) ? value : JSON.stringify(value),
    parse: (text: string): unknown => JSON.parse(text),
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
