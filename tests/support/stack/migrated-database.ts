import { rmSync } from 'node:fs'
import type { Sql } from 'postgres'
import { startAuth } from '../../../dev/api/lite.ts'
import { content } from '../../../dev/check/scratch-database.ts'
import { connect, migrate, openGiven } from '../../../dev/postgres/database.ts'
import { loadSecrets } from '../../../dev/postgres/secrets.ts'
import { makeDirectory } from './directory.ts'

/** What createMigrated() copies. */
export const template = 'migrated'
const draft = 'migrated_draft'

/** The URL of another database on the same server. */
export function urlOf(url: string, database: string): string {
  return Object.assign(new URL(url), { pathname: `/${database}` }).href
}

/**
 * Makes a database that holds what the migrations make, on the server of `url`, whose user may
 * create databases. The first call applies the migrations; every call copies the result.
 */
export async function createMigrated(url: string, name: string): Promise<void> {
  const server = connect(url)
  try {
    // Workers that come at once take turns. The lock ends with the connection.
    await server`select pg_advisory_lock(hashtext(${template}))`
    const [made] = await server`select 1 from pg_database where datname = ${template}`
    if (made === undefined) await makeTemplate(server, url)
    await server`create database ${server(name)} template ${server(template)}`
  } finally {
    await server.end({ timeout: 5 })
  }
}

/** Under its name only when it is whole. */
async function makeTemplate(server: Sql, url: string): Promise<void> {
  await server`drop database if exists ${server(draft)} with (force)`
  await server`create database ${server(draft)} template template0`
  const directory = makeDirectory()
  try {
    const database = await openGiven(urlOf(url, draft), content)
    const auth = await startAuth({
      database,
      secrets: await loadSecrets(directory),
      url: 'http://127.0.0.1',
      log: () => undefined,
    })
    await auth.close()
    await migrate(database, content)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  await server`alter database ${server(draft)} rename to ${server(template)}`
}
