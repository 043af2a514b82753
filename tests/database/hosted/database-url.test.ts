import { readFileSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startAuth } from '../../../dev/api/lite.ts'
import { content } from '../../../dev/check/scratch-database.ts'
import { connect, migrate, openGiven } from '../../../dev/postgres/database.ts'
import { startPostgres } from '../../../dev/postgres/postgres.ts'
import { loadSecrets } from '../../../dev/postgres/secrets.ts'
import { makeDirectory } from '../../support/stack/directory.ts'

test('DATABASE_URL may name an owner with createrole and bypassrls and the grant of .env.example', async () => {
  const directory = makeDirectory()
  const secrets = await loadSecrets(directory)
  const log = () => undefined
  const server = await startPostgres({
    directory,
    passwords: secrets.passwords,
    durable: false,
    preferredPort: undefined,
    log,
  })
  try {
    const superuser = connect(server.url('supabase_admin'))
    const grant = /^# +(grant set on parameter .* to colloquy;)$/m.exec(
      readFileSync('.env.example', 'utf8'),
    )?.[1]
    await superuser`create role colloquy login createrole bypassrls password 'app'`
    await superuser`create database colloquy owner colloquy`
    await superuser.unsafe(grant ?? 'the document has no such line')
    await superuser.end()

    const url = `postgresql://colloquy:app@127.0.0.1:${server.port}/colloquy`
    const database = await openGiven(url, content)
    const auth = await startAuth({ database, secrets, url: 'http://127.0.0.1', log })
    await migrate(database, content)
    await auth.close()
    const sql = connect(url)
    const [row] = await sql`
      select rolsuper, to_regclass('public.agents') is not null as migrated
      from pg_roles where rolname = current_user`
    await sql.end()
    expect(row).toEqual({ rolsuper: false, migrated: true })
  } finally {
    await server.close()
    rmSync(directory, { recursive: true, force: true })
  }
}, 60_000)
