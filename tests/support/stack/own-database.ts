import { rmSync } from 'node:fs'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll } from 'vitest'
import { startAuth } from '../../../dev/api/lite.ts'
import { content } from '../../../dev/check/scratch-database.ts'
import { connect, type Database, migrate } from '../../../dev/postgres/database.ts'
import { ensurePlatform } from '../../../dev/postgres/platform.ts'
import { loadSecrets } from '../../../dev/postgres/secrets.ts'
import { makeDirectory } from './directory.ts'
import { useStack } from './stack.ts'

/**
 * A migrated database of the file's own, on the stack's server: for what counts over the whole
 * platform, and for loads that would hold up other tests. As the owner of all tables.
 *
 * @param max connections at most
 */
export function ownDatabase(max: number): () => Sql {
  let sql: Sql | undefined
  beforeAll(async () => {
    const { superuserUrl } = useStack()
    if (superuserUrl === undefined) throw new Error('the stack has no server of its own')
    const server = connect(superuserUrl)
    const name = `own_${process.pid}_${Date.now().toString(36)}`
    const at = (address: string) => Object.assign(new URL(address), { pathname: `/${name}` }).href
    const url = at(useStack().databaseUrl)
    afterAll(async () => {
      await sql?.end({ timeout: 5 })
      await server`drop database if exists ${server(name)} with (force)`
      await server.end()
    })
    await server`create database ${server(name)} owner postgres template template0`
    await migrateAt(at(superuserUrl), url)
    sql = postgres(url, { max, onnotice: () => undefined })
  })
  return () => {
    if (sql === undefined) throw new Error('the database is not ready yet')
    return sql
  }
}

async function migrateAt(superuserUrl: string, ownerUrl: string): Promise<void> {
  const superuser = connect(superuserUrl)
  await ensurePlatform(superuser, { owner: 'postgres' }).finally(() => superuser.end())
  const as = (role: string) => ({ url: superuserUrl, options: { connection: { role } } })
  const database: Database = {
    ownerUrl,
    owner: 'postgres',
    superuserUrl,
    rest: as('authenticator'),
    auth: as('supabase_auth_admin'),
    close: () => Promise.resolve(),
  }
  const directory = makeDirectory()
  try {
    const secrets = await loadSecrets(directory)
    const auth = await startAuth({ database, secrets, url: 'http://127.0.0.1', log: ignore })
    await auth.close()
    await migrate(database, content)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function ignore(): void {
  // Start-up messages are for the developer of a stack that stays.
}
