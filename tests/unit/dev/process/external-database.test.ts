import { expect, test } from 'vitest'
import { externalDatabase, markEmbedded } from '../../../../dev/process/external-database.ts'

const given = 'postgresql://me:hush%2F@127.0.0.1:54322/postgres?sslmode=require'

test('the embedded database as .env.local names it is no external one', () => {
  expect(externalDatabase(markEmbedded(given))).toBeUndefined()
})

test('a marked address differs in its application name only', () => {
  const marked = new URL(markEmbedded(given))
  marked.searchParams.delete('application_name')
  expect(marked.href).toBe(given)
})

test.each([undefined, ''])('%o names no database', (variable) => {
  expect(externalDatabase(variable)).toBeUndefined()
})

test.each([given, `${given}&application_name=mine`, 'host=127.0.0.1 dbname=postgres'])(
  'the address of a developer is taken as it is: %s',
  (variable) => {
    expect(externalDatabase(variable)).toBe(variable)
  },
)
