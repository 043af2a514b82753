type Schema = Readonly<Record<string, unknown>>
type Value = string | number | boolean | readonly string[]

/** A text that can be chosen, and the name that the person sees. */
export interface Option {
  readonly value: string
  readonly title: string
}

type OwnInput = 'password' | 'textarea'

/** What a form asks for, as JSON Schema. */
export interface FormSchema {
  readonly properties: Readonly<Record<string, Schema>>
  readonly required: readonly string[]
}

/** A field of a form, read from its JSON Schema. */
export interface Field {
  readonly name: string
  readonly label: string
  readonly description: string | null
  readonly isRequired: boolean
  readonly kind: 'boolean' | 'number' | 'choice' | 'choices' | 'text'
  /** Of an input, for a text or a number; the last two stand in forms of the page alone. */
  readonly input: 'text' | 'number' | 'email' | 'url' | 'date' | 'datetime-local' | OwnInput
  readonly options: readonly Option[]
  readonly initial: unknown
  readonly schema: Schema
}

const inputs: Readonly<Record<string, Field['input']>> = {
  email: 'email',
  uri: 'url',
  date: 'date',
  'date-time': 'datetime-local',
}

/** @param own formats that this form may have beside those of a tool: a tool asks for no password */
export function readFields(
  { properties, required }: FormSchema,
  own: Readonly<Record<string, OwnInput>> = {},
): Field[] {
  return Object.entries(properties).map(([name, schema]) => {
    const { type, title, description, format, default: initial } = schema
    const isNumber = type === 'number' || type === 'integer'
    const options = optionsOf(type === 'array' ? (schema['items'] as Schema) : schema)
    return {
      name,
      label: typeof title === 'string' ? title : name,
      description: typeof description === 'string' ? description : null,
      isRequired: required.includes(name),
      kind: kindOf(type, isNumber, options.length > 0),
      input: isNumber
        ? 'number'
        : (typeof format === 'string' && (inputs[format] ?? own[format])) || 'text',
      options,
      initial,
      schema,
    }
  })
}

function kindOf(type: unknown, isNumber: boolean, isChoice: boolean): Field['kind'] {
  if (type === 'boolean') return 'boolean'
  if (type === 'array') return 'choices'
  if (isNumber) return 'number'
  return isChoice ? 'choice' : 'text'
}

function optionsOf(schema: Schema): Option[] {
  const { enum: plain, oneOf, anyOf } = schema
  if (Array.isArray(plain))
    return plain.map((value) => ({ value: String(value), title: String(value) }))
  const titled = (oneOf ?? anyOf ?? []) as readonly { const: string; title?: string }[]
  return titled.map(({ const: value, title = value }) => ({ value, title }))
}

/** What the person filled in, by the place of the field; null: nothing, so the field is left out. */
export function valueOf({ kind, input }: Field, filled: readonly string[]): Value | null {
  if (kind === 'boolean') return filled.length > 0
  if (kind === 'choices') return filled.length > 0 ? filled : null
  const [text = ''] = filled
  if (text === '') return null
  if (kind === 'number') return Number(text)
  // RFC 3339 names the zone, which the input does not.
  return input === 'datetime-local' ? new Date(text).toISOString() : text
}

/** Why the field's value is refused, and what to do. @param reason as `details` of the refusal name it */
export function sentenceFor({ kind, input, schema }: Field, reason: string): string {
  const keyword = /\w+$/.exec(reason)?.[0] ?? ''
  const bound = String(schema[keyword])
  const sentences: Readonly<Record<string, string>> = {
    required: kind === 'choice' || kind === 'choices' ? 'Choose one.' : 'Fill this in.',
    minLength: `Write at least ${bound} characters.`,
    maxLength: `Write at most ${bound} characters.`,
    minimum: `Enter ${bound} or more.`,
    maximum: `Enter ${bound} or less.`,
    minItems: `Choose at least ${bound}.`,
    maxItems: `Choose at most ${bound}.`,
  }
  const ofInput: Readonly<Record<string, string>> = {
    number: schema['type'] === 'integer' ? 'Enter a whole number.' : 'Enter a number.',
    email: 'Enter an e-mail address, such as ann@example.com.',
    url: 'Enter a whole address, such as https://example.com.',
    date: 'Enter a date.',
    'datetime-local': 'Enter a date and a time.',
  }
  return sentences[keyword] ?? ofInput[input] ?? 'This value does not fit. Enter another one.'
}
