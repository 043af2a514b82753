import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { startAuth } from '../../../dev/api/lite.ts'
import { content as ours } from '../../../dev/check/scratch-database.ts'
import { connect, type Content, migrate, openGiven } from '../../../dev/postgres/database.ts'
import { loadSecrets } from '../../../dev/postgres/secrets.ts'
import { accountDirectly } from './plant/people.ts'
import { plantA, plantB, type World } from './world.ts'

/** Two databases that differ only in whether B exists, on one connection each. */
export interface Worlds {
  world: World
  full: Sql
  empty: Sql
  /** URL of the database that holds both tenants. */
  fullUrl: string
  /** URL of the one without B. */
  emptyUrl: string
  close(): Promise<void>
}

/** Makes both on the server of `url`, whose user may create databases; `close` drops them. */
export async function createWorlds(url: string, content: Content = ours): Promise<Worlds> {
  const suffix = `${process.pid}_${Date.now().toString(36)}`
  const names = { full: `isolation_full_${suffix}`, empty: `isolation_empty_${suffix}` }
  const server = connect(url)
  const urlOf = (database: string): string => {
    const changed = new URL(url)
    changed.pathname = `/${database}`
    return changed.href
  }
  const drop = async (): Promise<void> => {
    for (const name of Object.values(names)) {
      await server`drop database if exists ${server(name)} with (force)`
    }
    await server.end()
  }
  try {
    await server`create database ${server(names.full)} template template0`
    await migrateDatabase(urlOf(names.full), content)
    const half = await using(urlOf(names.full), (sql) => plantA(sql, accountDirectly(sql)))
    await server`create database ${server(names.empty)} template ${server(names.full)}`
    const world = await using(urlOf(names.full), (sql) => plantB(sql, accountDirectly(sql), half))
    const [full, empty] = [connect(urlOf(names.full)), connect(urlOf(names.empty))]
    const close = async (): Promise<void> => {
      await Promise.all([full.end({ timeout: 5 }), empty.end({ timeout: 5 })])
      await drop()
    }
    const [fullUrl, emptyUrl] = [urlOf(names.full), urlOf(names.empty)]
    return { world, full, empty, fullUrl, emptyUrl, close }
  } catch (error) {
    await drop()
    throw error
  }
}

async function using<Result>(url: string, work: (sql: Sql) => Promise<Result>): Promise<Result> {
  const sql = connect(url)
  try {
    return await work(sql)
  } finally {
    // Before the next copy of this database, which no one may be connected to.
    await sql.end({ timeout: 5 })
  }
}

async function migrateDatabase(url: string, content: Content): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'colloquy-isolation-'))
  try {
    const database = await openGiven(url, content)
    const auth = await startAuth({
      database,
      secrets: await loadSecrets(directory),
      url: 'http://127.0.0.1',
      log: () => undefined,
    })
    await auth.close()
    await migrate(database, content)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
