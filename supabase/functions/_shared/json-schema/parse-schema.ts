import { isRecord } from '../json.ts'

/** A JSON Schema (2020-12) of the supported keywords: an object, or true or false. */
export type JsonSchema = boolean | Readonly<Record<string, unknown>>

/** A schema that was checked, with everything a `$ref` in it may lead to, by JSON pointer. */
export interface ParsedSchema {
  readonly root: Readonly<Record<string, unknown>>
  readonly subschemas: ReadonlyMap<string, JsonSchema>
}

/** Bytes as JSON, levels of nesting, and subschemas that one schema may have. */
export const schemaLimits = { bytes: 64 * 1024, depth: 64, subschemas: 2_000 } as const

/** What is wrong with a schema, and where. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'

  constructor(
    message: string,
    readonly path: readonly string[] = [],
  ) {
    super(message)
  }
}

type Path = readonly string[]
type Found = Map<string, JsonSchema>
type Rule = (value: unknown, path: Path, found: Found) => void

const types = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string']

const rule =
  (expected: string, holds: (value: unknown) => boolean): Rule =>
  (value, path) => {
    if (!holds(value)) throw new SchemaError(`is not ${expected}`, path)
  }
const isText = (value: unknown) => typeof value === 'string'
const isNumber = (value: unknown) => typeof value === 'number'
const text = rule('a string', isText)
const flag = rule('true or false', (value) => typeof value === 'boolean')
const number = rule('a number', isNumber)
const count = rule('a count', (value) => Number.isSafeInteger(value) && Number(value) >= 0)
const anything: Rule = () => undefined
const schema: Rule = walk
const list: Rule = (value, path, found) => {
  if (!Array.isArray(value) || value.length === 0) {
    throw new SchemaError('is not a list of schemas', path)
  }
  for (const [index, item] of value.entries()) walk(item, [...path, String(index)], found)
}
const byName: Rule = (value, path, found) => {
  if (!isRecord(value)) throw new SchemaError('is not an object of schemas', path)
  for (const [name, item] of Object.entries(value)) walk(item, [...path, name], found)
}

/** Every keyword of the standard. A missing entry would be an unchecked keyword. */
const rules: Readonly<Record<string, Rule>> = {
  $ref: rule('a reference inside this schema: "#" or "#/…"', (value) =>
    /^#(?:\/|$)/.test(String(value)),
  ),
  $defs: byName,
  definitions: byName,
  type: rule('a type, or a list of types', (value) => {
    const named: unknown[] = Array.isArray(value) ? value : [value]
    return named.length > 0 && named.every((name) => types.includes(name as string))
  }),
  enum: rule('a list of values', (value) => Array.isArray(value) && value.length > 0),
  const: anything,
  properties: byName,
  required: rule('a list of names', (value) => Array.isArray(value) && value.every(isText)),
  additionalProperties: schema,
  propertyNames: schema,
  minProperties: count,
  maxProperties: count,
  items: schema,
  prefixItems: list,
  minItems: count,
  maxItems: count,
  minLength: count,
  maxLength: count,
  minimum: number,
  maximum: number,
  exclusiveMinimum: number,
  exclusiveMaximum: number,
  multipleOf: rule('a positive number', (value) => isNumber(value) && Number(value) > 0),
  anyOf: list,
  oneOf: list,
  allOf: list,
  not: schema,
  // Told to the model and not checked: see findMismatch().
  pattern: text,
  format: text,
  contentEncoding: text,
  contentMediaType: text,
  // Said about a value, not of it.
  $schema: text,
  $comment: text,
  title: text,
  description: text,
  default: anything,
  examples: rule('a list', Array.isArray),
  deprecated: flag,
  readOnly: flag,
  writeOnly: flag,
}

/**
 * Checks a schema from outside: size, depth, keywords, and that every `$ref` stays inside it.
 * @throws SchemaError
 */
export function parseSchema(value: unknown): ParsedSchema {
  if (!isRecord(value)) throw new SchemaError('is not an object')
  // Before anything that recurses into it.
  if (isDeeper(value, schemaLimits.depth)) {
    throw new SchemaError(`is nested deeper than ${schemaLimits.depth} levels`)
  }
  if (new TextEncoder().encode(JSON.stringify(value)).byteLength > schemaLimits.bytes) {
    throw new SchemaError(`is longer than ${schemaLimits.bytes} bytes`)
  }
  const found: Found = new Map()
  walk(value, [], found)
  for (const [pointer, subschema] of found) {
    const ref = typeof subschema === 'object' ? subschema['$ref'] : undefined
    if (ref === undefined || found.has(targetOf(ref))) continue
    throw new SchemaError('leads to no schema', [...pathOf(pointer), '$ref'])
  }
  return { root: value, subschemas: found }
}

/** The key in `subschemas` that a `$ref` stands for. */
export function targetOf(ref: unknown): string {
  try {
    return decodeURIComponent(String(ref))
  } catch {
    return String(ref) // A stray percent sign: then it is meant literally.
  }
}

function walk(value: unknown, path: Path, found: Found): void {
  if (typeof value !== 'boolean' && !isRecord(value)) {
    throw new SchemaError('is not a schema', path)
  }
  if (found.size === schemaLimits.subschemas) {
    throw new SchemaError(`has more than ${schemaLimits.subschemas} subschemas`)
  }
  found.set(pointerTo(path), value)
  if (typeof value === 'boolean') return
  for (const [keyword, content] of Object.entries(value)) {
    const check = Object.hasOwn(rules, keyword) ? rules[keyword] : undefined
    if (!check) throw new SchemaError('is not a supported keyword', [...path, keyword])
    check(content, [...path, keyword], found)
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1))
}

// RFC 6901, as a URI fragment.
function pointerTo(path: Path): string {
  return ['#', ...path.map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1'))].join('/')
}

function pathOf(pointer: string): string[] {
  const names = pointer.split('/').slice(1)
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}
