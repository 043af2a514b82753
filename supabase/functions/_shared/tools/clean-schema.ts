import { isRecord } from '../json.ts'

type Fields = Readonly<Record<string, unknown>>
/** What is kept of a keyword's value; undefined: nothing. */
type Read = (value: unknown) => unknown

const types = new Set(['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'])

const text: Read = (value) => (typeof value === 'string' ? value : undefined)
const flag: Read = (value) => (typeof value === 'boolean' ? value : undefined)
const named: Read = (value) => {
  if (!isRecord(value)) return {}
  const entries = Object.entries(value).filter(([, schema]) => schema !== null)
  return Object.fromEntries(entries.map(([name, schema]) => [name, cleanOne(schema) ?? {}]))
}
const schemas: Read = (value) => nonEmpty(listOf(value).map(cleanOne).filter(isSaid))
const number: Read = (value) => {
  const read = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof read === 'number' && Number.isFinite(read) ? read : undefined
}
const count: Read = (value) => {
  const read = number(value)
  return Number.isSafeInteger(read) && Number(read) >= 0 ? read : undefined
}
const positive: Read = (value) => (Number(number(value)) > 0 ? number(value) : undefined)
const names: Read = (value) => nonEmpty(listOf(value).filter((name) => typeof name === 'string'))
const typeNames: Read = (value) => {
  const given = (Array.isArray(value) ? (value as unknown[]) : [value]).map((name) =>
    typeof name === 'string' ? name.toLowerCase() : '',
  )
  const known = [...new Set(given)].filter((name) => types.has(name))
  return Array.isArray(value) ? nonEmpty(known) : known[0]
}

/** Providers refuse a whole request for one keyword with a value of another kind. */
const reads: Readonly<Record<string, Read>> = {
  ...same(['default', 'const', 'examples'], (value) => value),
  ...same(['title', 'description', 'format', 'pattern', '$ref', '$schema', '$id'], text),
  ...same(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'], named),
  ...same(['allOf', 'anyOf', 'oneOf', 'prefixItems'], schemas),
  ...same(['additionalProperties', 'items', 'not', 'contains', 'propertyNames'], cleanOne),
  ...same(['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties'], count),
  ...same(['maxProperties'], count),
  // The latter two were a yes or no in the draft of 2013.
  ...same(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'], number),
  multipleOf: positive,
  ...same(['nullable', 'deprecated', 'readOnly', 'writeOnly', 'uniqueItems'], flag),
  enum: (value) => nonEmpty(listOf(value)),
  required: names,
  type: typeNames,
}
/** Keywords under which null is a value. */
const valued = new Set(['default', 'const'])

/**
 * A server's schema without what providers refuse and what says nothing: keywords that are null or have a
 * value of another kind, lists where there are to be names (PHP writes an empty object as `[]`), lists
 * without the schema of their items. Callers bound its depth.
 */
export function cleanSchema(schema: Fields): Record<string, unknown> {
  const kept = Object.entries(inOneDraft(schema)).flatMap(([keyword, value]) => {
    if (value === null && !valued.has(keyword)) return []
    const read = Object.hasOwn(reads, keyword) ? reads[keyword] : cleanOther
    const cleaned = read?.(value)
    return cleaned === undefined ? [] : [[keyword, cleaned] as const]
  })
  const result: Record<string, unknown> = Object.fromEntries(kept)
  const isList = [result['type']].flat().includes('array')
  if (isList && result['items'] === undefined) result['items'] = {}
  return result
}

/** Drafts before 2020 have a list of schemas in `items`, and what follows in `additionalItems`. */
function inOneDraft(schema: Fields): Fields {
  const { items, additionalItems, ...others } = schema
  if (!Array.isArray(items)) return schema
  const rest = additionalItems === undefined ? {} : { items: additionalItems }
  return { prefixItems: items, ...others, ...rest }
}

function cleanOne(schema: unknown): unknown {
  if (typeof schema === 'boolean') return schema
  return isRecord(schema) ? cleanSchema(schema) : undefined
}

function cleanOther(value: unknown): unknown {
  return isRecord(value) ? cleanSchema(value) : value
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function nonEmpty(list: readonly unknown[]): readonly unknown[] | undefined {
  return list.length > 0 ? list : undefined
}

function isSaid(value: unknown): boolean {
  return value !== undefined
}

function same(keywords: readonly string[], read: Read): Record<string, Read> {
  return Object.fromEntries(keywords.map((keyword) => [keyword, read]))
}
