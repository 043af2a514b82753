import { rmSync } from 'node:fs'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { startPostgres } from '../../dev/postgres/postgres.ts'
import { loadSecrets } from '../../dev/postgres/secrets.ts'
import { sqlstateOf } from '../support/stack/database.ts'
import { makeDirectory } from '../support/stack/directory.ts'

/** A server on data that nobody keeps, which is a copy from the second start on this machine on. */
async function start() {
  const directory = makeDirectory()
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const { passwords } = await loadSecrets(directory)
  const server = await startPostgres({
    ...{ directory, passwords, durable: false },
    ...{ preferredPort: undefined, log: () => undefined },
  })
  onTestFinished(() => server.close())
  const logIn = async (password: string) => {
    const url = Object.assign(new URL(server.url('supabase_admin')), { password })
    const sql = postgres(url.href, { max: 1 })
    const refusal = await sqlstateOf(sql`select 1`)
    await sql.end()
    return refusal
  }
  return { logIn, password: passwords.supabase_admin }
}

test('servers on copies of one data directory have passwords of their own', async () => {
  const [one, other] = [await start(), await start()]
  expect(await one.logIn(one.password)).toBeUndefined()
  expect(await other.logIn(other.password)).toBeUndefined()
  expect(await one.logIn(other.password)).toBe('28P01')
  expect(await other.logIn(one.password)).toBe('28P01')
})
