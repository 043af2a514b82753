import type { Sql } from 'postgres'
import { connect } from '../../../dev/postgres/database.ts'
import { createMigrated, urlOf } from '../../support/stack/migrated-database.ts'
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
export async function createWorlds(url: string): Promise<Worlds> {
  const suffix = `${process.pid}_${Date.now().toString(36)}`
  const names = { full: `isolation_full_${suffix}`, empty: `isolation_empty_${suffix}` }
  const server = connect(url)
  const [fullUrl, emptyUrl] = [urlOf(url, names.full), urlOf(url, names.empty)]
  const drop = async (): Promise<void> => {
    for (const name of Object.values(names)) {
      await server`drop database if exists ${server(name)} with (force)`
    }
    await server.end()
  }
  try {
    await createMigrated(url, names.full)
    const half = await using(fullUrl, (sql) => plantA(sql, accountDirectly(sql)))
    await server`create database ${server(names.empty)} template ${server(names.full)}`
    const world = await using(fullUrl, (sql) => plantB(sql, accountDirectly(sql), half))
    const [full, empty] = [connect(fullUrl), connect(emptyUrl)]
    const close = async (): Promise<void> => {
      await Promise.all([full.end({ timeout: 5 }), empty.end({ timeout: 5 })])
      await drop()
    }
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
