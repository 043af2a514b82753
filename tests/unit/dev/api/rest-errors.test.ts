import { expect, test } from 'vitest'
import { statusOf } from '../../../../dev/api/rest-errors.ts'

test.each([
  ['P0001', 400],
  ['P0002', 500],
  ['22023', 400],
  ['23502', 400],
  ['23503', 409],
  ['23505', 409],
  ['23514', 400],
  ['25006', 405],
  ['40001', 500],
  ['42703', 400],
  ['42883', 404],
  ['42P01', 404],
  ['53300', 503],
  ['55000', 500],
  ['57014', 500],
])('SQLSTATE %s is answered with %d, as PostgREST does', (code, status) => {
  expect(statusOf(code, '')).toBe(status)
})

test('two SQLSTATEs depend on the message', () => {
  expect(statusOf('21000', 'UPDATE requires a WHERE clause')).toBe(400)
  expect(statusOf('21000', 'more than one row returned')).toBe(500)
  expect(statusOf('22023', 'role "x" does not exist')).toBe(401)
})
