import { isRecord } from '../json.ts'
import { type JsonSchema, type ParsedSchema, targetOf } from './parse-schema.ts'

/**
 * The place where a value differs from a schema: a path of names and positions, and the keyword.
 */
export interface Mismatch {
  readonly path: string
  readonly keyword: string
}

type Fields = Readonly<Record<string, unknown>>
type Found = string | null

/** Units of work for one value: less than a second at worst, and 4 MB of JSON fit. */
const defaultBudget = 4_000_000
/** Schemas entered one inside another, in the same value or in its parts. */
const maxDepth = 256

class TooMuchWork extends Error {}

/**
 * Finds where a value does not match a schema; null when it matches.
 *
 * Both sides come from outside (a client's schema, a model's answer), so the work is counted and
 * bounded: alternatives that multiply, references in a circle and huge values end as a mismatch
 * `budget`. `pattern` and `format` are not looked at, because a regular expression from outside
 * can hold a worker for minutes over 30 characters, and nothing can interrupt it.
 */
export function findMismatch(
  schema: ParsedSchema,
  value: unknown,
  budget = defaultBudget,
): Mismatch | null {
  const search = new Search(schema, budget)
  try {
    const found = search.check(schema.root, value, 0)
    return found === null ? null : { path: search.path(), keyword: found }
  } catch (error) {
    if (error instanceof TooMuchWork) return { path: '', keyword: 'budget' }
    throw error
  }
}

class Search {
  readonly #subschemas: ParsedSchema['subschemas']
  #left: number
  /** From the root to the value that is looked at; it stays where a mismatch was found. */
  #path: (string | number)[] = []

  constructor({ subschemas }: ParsedSchema, budget: number) {
    this.#subschemas = subschemas
    this.#left = budget
  }

  path(): string {
    return this.#path.join('.')
  }

  /** The keyword that does not hold, or null. */
  check(schema: JsonSchema, value: unknown, depth: number): Found {
    this.#spend(1)
    if (depth > maxDepth) throw new TooMuchWork()
    if (typeof schema === 'boolean') return schema ? null : 'false'
    return (
      this.#checkValue(schema, value) ??
      this.#checkCombinations(schema, value, depth + 1) ??
      (typeof value === 'number' ? checkNumber(schema, value) : null) ??
      (typeof value === 'string' ? this.#checkString(schema, value) : null) ??
      (Array.isArray(value) ? this.#checkArray(schema, value, depth + 1) : null) ??
      (isRecord(value) ? this.#checkObject(schema, value, depth + 1) : null)
    )
  }

  #spend(units: number): void {
    this.#left -= units
    if (this.#left < 0) throw new TooMuchWork()
  }

  #checkValue(schema: Fields, value: unknown): Found {
    const { type, enum: values } = schema
    if (type !== undefined && ![type].flat().some((name) => isOfType(name, value))) return 'type'
    if (Array.isArray(values) && !values.some((item) => this.#equal(item, value))) return 'enum'
    if ('const' in schema && !this.#equal(schema['const'], value)) return 'const'
    return null
  }

  #checkCombinations(schema: Fields, value: unknown, depth: number): Found {
    const { $ref, anyOf, oneOf, allOf, not } = schema
    let found: Found = null
    if ($ref !== undefined) {
      // A parsed schema has the target, or it would have been refused.
      found = this.check(this.#subschemas.get(targetOf($ref)) ?? false, value, depth)
    }
    for (const each of schemas(allOf)) found ??= this.check(each, value, depth)
    if (found !== null) return found
    const matches = (each: JsonSchema) => this.#matches(each, value, depth)
    if (anyOf !== undefined && !schemas(anyOf).some(matches)) return 'anyOf'
    if (oneOf !== undefined && schemas(oneOf).filter(matches).length !== 1) return 'oneOf'
    if (not !== undefined && matches(not as JsonSchema)) return 'not'
    return null
  }

  /** Like check(), for an attempt that may fail without being the mismatch. */
  #matches(schema: JsonSchema, value: unknown, depth: number): boolean {
    const here = this.#path.length
    const found = this.check(schema, value, depth)
    this.#path.length = here
    return found === null
  }

  #checkString({ minLength, maxLength }: Fields, value: string): Found {
    // A character is one or two units: the exact count matters only in between.
    const units = value.length
    if (typeof minLength === 'number' && units < 2 * minLength) {
      if (units < minLength || this.#countCharacters(value) < minLength) return 'minLength'
    }
    if (typeof maxLength === 'number' && units > maxLength) {
      if (units > 2 * maxLength || this.#countCharacters(value) > maxLength) return 'maxLength'
    }
    return null
  }

  #countCharacters(value: string): number {
    this.#spend(value.length)
    return [...value].length
  }

  #checkArray(schema: Fields, value: readonly unknown[], depth: number): Found {
    const { items, minItems, maxItems } = schema
    if (typeof minItems === 'number' && value.length < minItems) return 'minItems'
    if (typeof maxItems === 'number' && value.length > maxItems) return 'maxItems'
    const first = schemas(schema['prefixItems'])
    if (items === undefined && first.length === 0) return null
    for (const [index, item] of value.entries()) {
      const each = first[index] ?? (items as JsonSchema | undefined) ?? true
      const found = this.#checkPart(each, item, index, depth)
      if (found !== null) return found
    }
    return null
  }

  #checkObject(schema: Fields, value: Fields, depth: number): Found {
    const { required, minProperties, maxProperties, additionalProperties, propertyNames } = schema
    for (const name of Array.isArray(required) ? (required as string[]) : []) {
      this.#spend(1)
      if (!Object.hasOwn(value, name)) return 'required'
    }
    const properties = isRecord(schema['properties']) ? schema['properties'] : {}
    for (const name in properties) {
      this.#spend(1)
      if (!Object.hasOwn(value, name)) continue
      const found = this.#checkPart(properties[name] as JsonSchema, value[name], name, depth)
      if (found !== null) return found
    }
    const others = [minProperties, maxProperties, additionalProperties, propertyNames]
    if (others.every((other) => other === undefined)) return null
    const names = Object.keys(value)
    this.#spend(names.length)
    if (typeof minProperties === 'number' && names.length < minProperties) return 'minProperties'
    if (typeof maxProperties === 'number' && names.length > maxProperties) return 'maxProperties'
    for (const name of names) {
      const ofName = (propertyNames ?? true) as JsonSchema
      if (!this.#matches(ofName, name, depth)) return 'propertyNames'
      if (Object.hasOwn(properties, name)) continue
      const others = (additionalProperties ?? true) as JsonSchema
      // Not by its name, which is the model's invention: the place is the object.
      if (!this.#matches(others, value[name], depth)) return 'additionalProperties'
    }
    return null
  }

  #checkPart(schema: JsonSchema, value: unknown, name: string | number, depth: number): Found {
    this.#path.push(name)
    const found = this.check(schema, value, depth)
    if (found === null) this.#path.pop()
    return found
  }

  /** Equality of JSON values; the work is bounded by the schema's own, which is small. */
  #equal(a: unknown, b: unknown): boolean {
    this.#spend(1)
    if (a === b) return true
    if (Array.isArray(a) && Array.isArray(b)) {
      return a.length === b.length && a.every((item, index) => this.#equal(item, b[index]))
    }
    if (!isRecord(a) || !isRecord(b)) return false
    const names = Object.keys(a)
    if (!names.every((name) => Object.hasOwn(b, name) && this.#equal(a[name], b[name]))) {
      return false
    }
    const others = Object.keys(b).length
    this.#spend(others)
    return others === names.length
  }
}

const schemas = (value: unknown) => (Array.isArray(value) ? (value as JsonSchema[]) : [])

function isOfType(name: unknown, value: unknown): boolean {
  switch (name) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isRecord(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === name
  }
}

function checkNumber(schema: Fields, value: number): Found {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  if (typeof minimum === 'number' && value < minimum) return 'minimum'
  if (typeof maximum === 'number' && value > maximum) return 'maximum'
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) return 'exclusiveMinimum'
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) return 'exclusiveMaximum'
  if (typeof multipleOf === 'number' && !isMultiple(value, multipleOf)) return 'multipleOf'
  return null
}

// 0.3 is a multiple of 0.1 to everyone but a binary fraction.
function isMultiple(value: number, of: number): boolean {
  const times = value / of
  return Math.abs(times - Math.round(times)) <= 1e-9 * Math.max(1, Math.abs(times))
}
