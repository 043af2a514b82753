import { expect, test } from 'vitest'
import { slugOf } from '../../../../web/account/slug-of.ts'

test.each([
  ['Ünïted Engines', 'united-engines-01234567'],
  ['  A & B  ', 'a-b-01234567'],
  ['日本', '01234567'],
  ['x'.repeat(90), `${'x'.repeat(40)}-01234567`],
  [`${'x'.repeat(39)} y`, `${'x'.repeat(39)}-01234567`],
])('the handle of %j', (name, slug) => {
  expect(slugOf(name, '01234567-89ab')).toBe(slug)
  expect(slug).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
})
