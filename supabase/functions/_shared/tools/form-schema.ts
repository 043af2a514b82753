import { isRecord } from '../json.ts'
import { toStorableText } from '../storable.ts'
import { type FormSchema, isKeepable } from './elicitation.ts'

type Fields = Readonly<Record<string, unknown>>

export type ReadForm =
  | { readonly schema: FormSchema; readonly problem?: never }
  | { readonly schema?: never; readonly problem: string }

const maxFields = 64
const maxTitle = 500
const maxDescription = 2_000
const maxChoices = 200

/**
 * Reads the schema of a form field by field: what it does not know is left out, and so is an optional
 * field that a form cannot have.
 */
export function readForm(requested: unknown): ReadForm {
  const { properties, required } = isRecord(requested) ? requested : {}
  if (!isRecord(requested) || (properties != null && !isRecord(properties))) {
    return { problem: 'the schema is not one of an object' }
  }
  const given = Object.entries((properties ?? {}) as Fields)
  const needed = Array.isArray(required) ? (required as unknown[]) : []
  if (given.length > maxFields) return { problem: `the form has more than ${maxFields} fields` }
  const fields: [string, Fields][] = []
  for (const [name, schema] of given) {
    const label = name.slice(0, 64).replace(/[^\w .-]/g, '?')
    const isRequired = needed.includes(name)
    const field = isKeepable(name) ? readField(schema) : null
    if (field && isSecret(name, field, schema)) {
      return { problem: `the field "${label}" asks for a secret` }
    }
    if (field) fields.push([name, field])
    else if (isRequired) return { problem: `the field "${label}" has a schema that no form has` }
  }
  const known = Object.fromEntries(fields)
  if (needed.some((name) => typeof name !== 'string' || !Object.hasOwn(known, name))) {
    return { problem: 'a required field is not described' }
  }
  return {
    schema: {
      type: 'object',
      properties: known,
      required: [...new Set(needed as string[])],
      additionalProperties: false,
    },
  }
}

/** Names under which secrets are asked for; the specification forbids that in a form. */
const secret =
  /(?:^|[\s_.-])(?:passwords?|passwd|pwd|passphrases?|passcodes?|pin|otp|totp|cvv|cvc|secrets?|credentials?|private keys?|secret keys?|api ?keys?|(?:access|refresh|auth|api|bearer|id|session) ?tokens?|token|client secret|recovery codes?|seed phrase|mnemonic|(?:credit|debit)? ?card numbers?|iban|ssn)$/

function isSecret(name: string, field: Fields, given: unknown): boolean {
  if (isRecord(given) && given['format'] === 'password') return true
  const { type, title } = field
  const isTyped = type === 'string' && !('enum' in field) && !('oneOf' in field)
  if (!isTyped && type !== 'number' && type !== 'integer') return false
  return [name, title].some(
    (text) => typeof text === 'string' && secret.test(words(text.slice(0, maxTitle))),
  )
}

/** `apiKey`, `API_KEY` and `Your API key:` in one spelling. */
function words(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replace(/[\s_.-]+/g, ' ')
    .replace(/[^\p{L}\d]+$/u, '')
    .toLowerCase()
}

/** null: no form has such a field. */
function readField(given: unknown): Fields | null {
  const schema = withoutNull(given)
  if (!schema) return null
  const { type, title, description } = schema
  const kind = readKind(type, schema)
  if (!kind) return null
  const { default: value } = schema
  const field = {
    ...textOf('title', title, maxTitle),
    ...textOf('description', description),
    ...kind,
  }
  return isDefault(value) ? { ...field, default: value } : field
}

function readKind(type: unknown, schema: Fields): Fields | null {
  if (type === 'boolean') return { type }
  if (type === 'number' || type === 'integer') {
    return { type, ...numbers(schema, ['minimum', 'maximum'], isPlain) }
  }
  if (type === 'array') return readChoices(schema)
  if (type !== 'string' && type !== undefined) return null
  const choice = readEnum(schema)
  if (choice !== undefined) return choice && { type: 'string', ...choice }
  if (type === undefined) return null
  const { format } = schema
  return {
    type,
    ...numbers(schema, ['minLength', 'maxLength'], isCount),
    ...(typeof format === 'string' && formats.has(format) && { format }),
  }
}

/** Several of some texts. */
function readChoices(schema: Fields): Fields | null {
  const items = withoutNull(schema['items'])
  const choice = items && readEnum(items, 'anyOf')
  if (!choice) return null
  return {
    type: 'array',
    items: 'enum' in choice ? { type: 'string', ...choice } : { anyOf: choice['oneOf'] },
    ...numbers(schema, ['minItems', 'maxItems'], isCount),
  }
}

/** One of some texts, with names or without; undefined: any text; null: of something else. */
function readEnum(schema: Fields, named: 'oneOf' | 'anyOf' = 'oneOf'): Fields | null | undefined {
  const { enum: plain, enumNames } = schema
  const titled = schema[named] ?? schema['oneOf'] ?? schema['anyOf']
  if (titled != null) {
    const options = Array.isArray(titled) ? titled.map(readOption) : []
    const known = options.filter((option) => option !== null)
    return isChoosable(options) && known.length === options.length ? { oneOf: known } : null
  }
  if (plain == null) return undefined
  if (!Array.isArray(plain) || !isChoosable(plain) || !plain.every(isShort)) return null
  const texts = plain
  const names = Array.isArray(enumNames) ? (enumNames as unknown[]) : []
  if (names.length !== texts.length || !names.every(isShort)) return { enum: [...new Set(texts)] }
  return { oneOf: texts.map((text, place) => ({ const: text, title: names[place] })) }
}

function readOption(option: unknown): { const: string; title: string } | null {
  const { const: value, title } = isRecord(option) ? option : {}
  if (!isShort(value)) return null
  return { const: value, title: isShort(title) ? title : value }
}

const isChoosable = (options: readonly unknown[]) =>
  options.length > 0 && options.length <= maxChoices

const isShort = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= maxTitle && value === toStorableText(value)

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0

/** PostgreSQL writes a number out: 1e300 has 301 digits. */
const isPlain = (value: unknown) => {
  const size = typeof value === 'number' ? Math.abs(value) : NaN
  return size === 0 || (size >= 1e-6 && size <= Number.MAX_SAFE_INTEGER)
}

const formats = new Set(['email', 'uri', 'date', 'date-time'])

/** How libraries write an optional field: a schema or null. */
function withoutNull(schema: unknown): Fields | null {
  if (!isRecord(schema)) return null
  const { anyOf, oneOf, ...others } = schema
  const alternatives = anyOf ?? oneOf
  if (Array.isArray(alternatives) && others['type'] === undefined) {
    const real = (alternatives as unknown[]).filter(
      (one) => !(isRecord(one) && one['type'] === 'null'),
    )
    const [only] = real
    if (real.length === 1 && alternatives.length > 1) {
      return isRecord(only) ? { ...others, ...only } : null
    }
  }
  const { type } = schema
  if (!Array.isArray(type)) return type === null ? { ...schema, type: undefined } : schema
  const real = (type as unknown[]).filter((one) => one !== 'null')
  return real.length === 1 ? { ...schema, type: real[0] } : null
}

function isDefault(value: unknown): boolean {
  if (Array.isArray(value)) return value.length <= maxChoices && value.every(isShort)
  return isShort(value) || typeof value === 'boolean' || isPlain(value)
}

function numbers(
  schema: Fields,
  names: readonly string[],
  fits: (value: unknown) => boolean,
): Fields {
  return Object.fromEntries(
    names.filter((name) => fits(schema[name])).map((name) => [name, schema[name]]),
  )
}

function textOf(name: string, value: unknown, most = maxDescription): Fields {
  return typeof value === 'string' && value !== ''
    ? { [name]: toStorableText(value.slice(0, most)) }
    : {}
}
