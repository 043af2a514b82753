import { randomUUID } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll } from 'vitest'
import { connect } from '../../../dev/postgres/database.ts'
import { createMigrated, urlOf } from './migrated-database.ts'
import { useDatabase } from './stack.ts'

/**
 * A migrated database of the file's own, on the stack's server: for what counts over the whole
 * platform, and for loads that would hold up other tests. As the owner of all tables.
 *
 * @param max connections at most
 */
export function ownDatabase(max: number): () => Sql {
  const { databaseUrl } = useDatabase()
  const name = `own_${randomUUID()}`
  let sql: Sql | undefined
  beforeAll(async () => {
    await createMigrated(databaseUrl, name)
    sql = postgres(urlOf(databaseUrl, name), { max, onnotice: () => undefined })
  })
  // Beside the other hook and not in it: a hook that a hook registers is not run.
  afterAll(async () => {
    await sql?.end({ timeout: 5 })
    const server = connect(databaseUrl)
    await server`drop database if exists ${server(name)} with (force)`
    await server.end()
  })
  return () => {
    if (sql === undefined) throw new Error('the database is not ready yet')
    return sql
  }
}
