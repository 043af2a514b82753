import { describe, expect, test } from 'vitest'
import {
  DatabaseUnavailable,
  explainAuth,
  explainRest,
} from '../../../../dev/postgres/database-trouble.ts'

const answers = [
  ['unreachable', 503, 'PGRST000'],
  ['lost', 503, 'PGRST001'],
  ['busy', 504, 'PGRST003'],
] as const

describe.each(answers)('a database that is %s', (reason, status, code) => {
  const trouble = new DatabaseUnavailable(reason, undefined)

  test(`is ${status} ${code} of PostgREST, with the time to come back`, async () => {
    const response = explainRest([new Error('another'), trouble])
    expect([response?.status, response?.headers.get('retry-after')]).toEqual([status, '1'])
    expect(await response?.json()).toMatchObject({
      code,
      details: expect.stringMatching(/^database_unavailable: /) as string,
    })
  })

  test('is 503 of GoTrue, with the time to come back', async () => {
    const response = explainAuth([new Error('another'), trouble])
    expect([response?.status, response?.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await response?.json()).toMatchObject({ error_code: 'database_unavailable' })
  })
})

test('other errors keep the answer they have', () => {
  expect(explainRest([new Error('another')])).toBeUndefined()
  expect(explainAuth([new Error('another')])).toBeUndefined()
})
