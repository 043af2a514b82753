import { parse as parseArray } from 'postgres-array'

/** Makes a JavaScript value of what PostgreSQL writes for one, by type id. */
type Read = (text: string) => unknown

const asText: Read = (text) => text
const toJson: Read = (text) => JSON.parse(text)

/** As lite expects the values of its own driver: numbers where they are exact, times as text. */
const READ: Readonly<Record<number, Read>> = {
  16: (text) => text === 't',
  17: (text) => Buffer.from(text.slice(2), 'hex'),
  20: (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)),
  21: Number,
  23: Number,
  26: Number,
  114: toJson,
  700: Number,
  701: Number,
  1700: (text) => {
    const number = Number(text)
    return Number.isFinite(number) && String(number) === text ? number : text
  },
  3802: toJson,
}

/** The array types of a database, each with the type of its elements. */
export type ArrayTypes = ReadonlyMap<number, number>

export function readerOf(type: number, arrays: ArrayTypes): Read {
  const element = arrays.get(type)
  if (element === undefined) return READ[type] ?? asText
  const read = READ[element] ?? asText
  return (text) => parseArray(text, read)
}

/** The type that a value has by itself; 0 leaves it to the statement. */
export function ownType(value: unknown): number {
  if (typeof value === 'bigint') return 20
  if (value instanceof Uint8Array) return 17
  if (value instanceof Date) return 1184
  return 0
}

/**
 * The text of a value for a parameter of this type. lite passes objects, numbers and booleans of a
 * JSON column as JSON text and strings as they are: what is JSON already is passed on.
 *
 * Left over: a bare string that reads like JSON, `"5"` in a jsonb column, arrives as the number 5.
 */
export function writeValue(value: unknown, type: number, arrays: ArrayTypes): string | null {
  if (value === null || value === undefined) return null
  if (type === 114 || type === 3802) return writeJson(value)
  if (Array.isArray(value)) {
    const element = arrays.get(type)
    // A type that is no array may still be written as one: a vector.
    return element === undefined ? JSON.stringify(value) : writeArray(value, element, arrays)
  }
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  switch (typeof value) {
    case 'string':
      return value
    case 'object':
      return JSON.stringify(value)
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value)
    default:
      throw new TypeError(`a ${typeof value} is no value of a statement`)
  }
}

function writeArray(values: unknown[], element: number, arrays: ArrayTypes): string {
  const parts = values.map((value) => {
    if (Array.isArray(value) && element !== 114 && element !== 3802) {
      return writeArray(value, element, arrays)
    }
    const text = writeValue(value, element, arrays)
    return text === null ? 'null' : `"${text.replaceAll(/["\\]/g, '\\$&')}"`
  })
  return `{${parts.join(',')}}`
}

function writeJson(value: unknown): string {
  return typeof value === 'string' && isJson(value) ? value : JSON.stringify(value)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
