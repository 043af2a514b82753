import { describe, expect, it } from 'vitest'
import { readForm } from '../../../supabase/functions/_shared/tools/form-schema.ts'

const form = (properties: object, required: unknown[] = []) =>
  readForm({ type: 'object', properties, required })
const fieldOf = (field: unknown) => form({ field }).schema?.properties['field']

describe('a form', () => {
  it.each([
    ['a text', { type: 'string', minLength: 1, maxLength: 9, title: 'Name', description: 'Yours' }],
    ['an address', { type: 'string', format: 'email' }],
    ['a day', { type: 'string', format: 'date' }],
    ['a number', { type: 'number', minimum: 0, maximum: 0.5, default: 0.25 }],
    ['a whole number', { type: 'integer', minimum: -3 }],
    ['yes or no', { type: 'boolean', default: false }],
    ['a choice', { type: 'string', enum: ['a', 'b'] }],
    ['a choice with names', { type: 'string', oneOf: [{ const: 'a', title: 'A' }] }],
    ['a choice of several', { type: 'array', items: { type: 'string', enum: ['a'] }, minItems: 1 }],
    ['several with names', { type: 'array', items: { anyOf: [{ const: 'a', title: 'A' }] } }],
  ])('has %s as the server describes it', (_, field) => {
    expect(fieldOf(field)).toEqual(field)
  })

  it.each([
    ['null for what is absent', { type: 'string', title: null, format: null }, { type: 'string' }],
    ['what no form knows', { type: 'string', pattern: '(a+)+$', 'x-ui': {} }, { type: 'string' }],
    ['an unknown format', { type: 'string', format: 'color' }, { type: 'string' }],
    ['a type with null', { type: ['string', 'null'] }, { type: 'string' }],
    [
      'an alternative of null',
      { anyOf: [{ type: 'number' }, { type: 'null' }] },
      { type: 'number' },
    ],
    ['numbers that no database keeps', { type: 'number', minimum: -1e308 }, { type: 'number' }],
    ['a length below 0', { type: 'string', minLength: -1 }, { type: 'string' }],
    ['a choice without a type', { enum: ['a', 'a'] }, { type: 'string', enum: ['a'] }],
    [
      'names in the older way',
      { type: 'string', enum: ['a'], enumNames: ['A'] },
      { type: 'string', oneOf: [{ const: 'a', title: 'A' }] },
    ],
  ])('is read without %s', (_, given, read) => {
    expect(fieldOf(given)).toEqual(read)
  })

  it.each([
    ['an object', { type: 'object', properties: {} }],
    ['a list of objects', { type: 'array', items: { type: 'object' } }],
    ['a list of texts', { type: 'array', items: { type: 'string' } }],
    ['a file', { type: 'file' }],
    ['no choice', { type: 'string', enum: [] }],
    ['a choice of numbers', { type: 'string', enum: [1, 2] }],
    ['too long a choice', { type: 'string', enum: Array.from({ length: 201 }, String) }],
    ['a reference', { $ref: '#/$defs/a' }],
    ['true', true],
    ['null', null],
  ])(
    'has no field of %s: an optional one is left out, a required one refuses the form',
    (_, odd) => {
      const good = { type: 'boolean' }
      expect(form({ good, odd }).schema?.properties).toEqual({ good })
      expect(form({ good, odd }, ['odd']).problem).toBe(
        'the field "odd" has a schema that no form has',
      )
    },
  )

  it.each([
    [{ password: { type: 'string' } }],
    [{ apiKey: { type: 'string' } }],
    [{ API_KEY: { type: 'string' } }],
    [{ a: { type: 'string', title: 'Your access token:' } }],
    [{ a: { type: 'string', title: 'Ｐａｓｓｗｏｒｄ' } }],
    [{ a: { type: 'string', format: 'password' } }],
    [{ cvv: { type: 'integer' } }],
    [{ card_number: { anyOf: [{ type: 'string' }, { type: 'null' }] } }],
    [{ client_secret: { type: 'string' } }],
  ])('does not ask for a secret: %j', (properties) => {
    expect(form(properties).problem).toMatch(/asks for a secret$/)
  })

  it.each([
    [{ has_password: { type: 'boolean' } }],
    [{ password: { type: 'string', enum: ['keep', 'reset'] } }],
    [{ tokenizer: { type: 'string' } }],
    [{ secretary: { type: 'string' } }],
    [{ pinned: { type: 'string' } }],
  ])('may ask about one: %j', (properties) => {
    expect(form(properties).problem).toBeUndefined()
  })

  it.each([
    [null],
    [[]],
    ['object'],
    [{ properties: [] }],
    [{ properties: {}, required: ['a'] }],
    [{ properties: {}, required: [{}] }],
    [
      {
        properties: Object.fromEntries(
          Array.from({ length: 65 }, (_, n) => [n, { type: 'string' }]),
        ),
      },
    ],
    [{ properties: { ['x'.repeat(201)]: { type: 'string' } }, required: ['x'.repeat(201)] }],
    [{ properties: { 'a\0': { type: 'string' } }, required: ['a\0'] }],
    [JSON.parse('{"properties":{"__proto__":{"type":"string"}},"required":["__proto__"]}')],
  ])('is refused as a whole: %j', (requested) => {
    expect(readForm(requested).problem).toEqual(expect.any(String))
  })

  it('without fields only wants a yes', () => {
    expect(readForm({ type: 'object' }).schema?.properties).toEqual({})
  })
})
