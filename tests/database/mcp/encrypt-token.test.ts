import fc from 'fast-check'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const encrypt = (token: string | null, key: string | null) => (tx: TransactionSql) =>
  tx<{ result: string }[]>`select public.encrypt_token(${token}, ${key}) as result`
const decrypt = (sealed: string | null, key: string | null) => (tx: TransactionSql) =>
  tx<{ result: string }[]>`select public.decrypt_token(${sealed}, ${key}) as result`

test('what was encrypted opens with the same key, and never reads the same twice', async () => {
  await rolledBack(sql, async (tx) => {
    const text = fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((value) => !value.includes('\u0000') && value.isWellFormed())
    await fc.assert(
      fc.asyncProperty(text, text, async (token, rest) => {
        const key = `k${rest}`
        const [one] = await as(tx, 'service_role', encrypt(token, key))
        const [two] = await as(tx, 'service_role', encrypt(token, key))
        expect(one?.result).not.toBe(two?.result)
        const [opened] = await as(tx, 'service_role', decrypt(one?.result ?? null, key))
        expect(opened?.result).toBe(token)
      }),
      { numRuns: 15 },
    )
  })
})

test('a wrong key or damaged text is an error, never null', async () => {
  await rolledBack(sql, async (tx) => {
    const [row] = await as(tx, 'service_role', encrypt('secret', 'right'))
    const sealed = row?.result ?? ''
    for (let n = 0; n < 30; n++) {
      expect(await refusal(tx, 'service_role', decrypt(sealed, `wrong ${n}`))).toBe(
        '22023 decryption_failed',
      )
    }
    for (const damaged of [
      '',
      'x',
      'not base64 !',
      sealed.slice(0, 40),
      `AAAA${sealed.slice(4)}`,
    ]) {
      expect(await refusal(tx, 'service_role', decrypt(damaged, 'right')), damaged).toBe(
        '22023 decryption_failed',
      )
    }
  })
})

test('a null or empty key, or a null token, is an error, never null', async () => {
  await rolledBack(sql, async (tx) => {
    for (const [text, key] of [
      ['secret', null],
      ['secret', ''],
      [null, 'key'],
      [null, null],
    ] as const) {
      for (const call of [encrypt(text, key), decrypt(text, key)]) {
        expect(await refusal(tx, 'service_role', call)).toBe('22004 invalid_request')
      }
    }
  })
})

test('service_role alone may call them', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    for (const actor of [owner, 'anon'] as const) {
      expect(await refusal(tx, actor, encrypt('t', 'k'))).toMatch(/^42501 /)
      expect(await refusal(tx, actor, decrypt('t', 'k'))).toMatch(/^42501 /)
    }
  })
})
