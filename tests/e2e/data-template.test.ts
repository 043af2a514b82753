import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { hasTemplate, keepTemplate } from '../../dev/postgres/data-template.ts'
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

/** A data directory in a folder of its own. */
function folders() {
  const directory = makeDirectory()
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'PG_VERSION'), '17')
  return { directory, data }
}

test('a data directory is kept whole, under one name, by the faster of two starts', () => {
  const { directory, data } = folders()
  const kept = join(directory, 'templates', '17')
  expect(hasTemplate(kept)).toBe(false)
  keepTemplate(data, kept)
  keepTemplate(data, kept)
  expect(hasTemplate(kept)).toBe(true)
  expect(readdirSync(join(directory, 'templates'))).toEqual(['17'])
})

test('a start goes on where no data directory can be kept', () => {
  const { directory, data } = folders()
  const file = join(directory, 'file')
  writeFileSync(file, '')
  keepTemplate(data, join(file, 'templates', '17'))
  expect(hasTemplate(join(file, 'templates', '17'))).toBe(false)
})

test('a template of which the user may read nothing is none; root may read it', () => {
  const { data } = folders()
  chmodSync(data, 0)
  onTestFinished(() => chmodSync(data, 0o700))
  expect(hasTemplate(data)).toBe(process.getuid?.() === 0)
})
