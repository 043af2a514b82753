import { expect, test } from 'vitest'
import { readFields, sentenceFor, valueOf } from '../../../../web/form/form-fields.ts'

const fieldOf = (schema: Record<string, unknown>) => {
  const [field] = readFields({ properties: { a: schema }, required: [] })
  if (!field) throw new Error('no field was read')
  return field
}

test.each([
  [{ type: 'string' }, 'text', ['x'], 'x'],
  [{ type: 'string' }, 'text', [''], null],
  [{ type: 'integer' }, 'number', ['0'], 0],
  [{ type: 'number' }, 'number', [''], null],
  [{ type: 'boolean' }, 'boolean', [], false],
  [{ type: 'boolean' }, 'boolean', ['true'], true],
  [{ type: 'string', enum: ['x'] }, 'choice', ['x'], 'x'],
  [{ type: 'array', items: { type: 'string', enum: ['x', 'y'] } }, 'choices', ['y'], ['y']],
  [{ type: 'array', items: { anyOf: [{ const: 'x', title: 'X' }] } }, 'choices', [], null],
  [{ type: 'string', format: 'date' }, 'text', ['2030-02-03'], '2030-02-03'],
])('a field of %j is one of kind %s, and %j gives %j', (schema, kind, filled, value) => {
  expect(fieldOf(schema).kind).toBe(kind)
  expect(valueOf(fieldOf(schema), filled)).toEqual(value)
})

test('a time names its zone', () => {
  const field = fieldOf({ type: 'string', format: 'date-time' })
  expect(valueOf(field, ['2030-02-03T04:05'])).toMatch(/^2030-02-0\dT\d{2}:05:00\.000Z$/)
})

test('a choice shows titles, where there are any', () => {
  const oneOf = [{ const: 'x', title: 'The X' }, { const: 'y' }]
  expect(fieldOf({ type: 'string', oneOf }).options).toEqual([
    { value: 'x', title: 'The X' },
    { value: 'y', title: 'y' },
  ])
})

test.each([
  [{ type: 'string', maxLength: 20 }, 'x: does not match the form: maxLength', /at most 20/],
  [{ type: 'integer', minimum: 1 }, 'x: does not match the form: minimum', /1 or more/],
  [{ type: 'integer' }, 'x: does not match the form: type', /a whole number/],
  [{ type: 'string', format: 'email' }, 'x: is no email', /an e-mail address/],
  [{ type: 'string', format: 'date-time' }, 'x: is no date-time', /a date and a time/],
  [{ type: 'string', enum: ['x'] }, 'x: is required', /^Choose one\.$/],
  [{ type: 'string' }, 'x: is something new', /^This value does not fit\. Enter another one\.$/],
])('a refusal of %j with %j is a sentence', (schema, reason, sentence) => {
  expect(sentenceFor(fieldOf(schema), reason)).toMatch(sentence)
})
