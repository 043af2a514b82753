import path from 'node:path'
import { startAuth } from '../api/lite.ts'
import {
  connect,
  type Content,
  type Database,
  openEmbedded,
  startingAs,
} from '../postgres/database.ts'
import { ensurePlatform } from '../postgres/platform.ts'
import { loadSecrets, type Secrets } from '../postgres/secrets.ts'
import { root } from './command.ts'
import { type DebianPostgres, startDebianPostgres } from './debian-postgres.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

/** What the checks apply: the project's own migrations and seed. */
export const content: Content = {
  migrationsDirectory: path.join(root, 'supabase/migrations'),
  seedFile: path.join(root, 'supabase/seed.sql'),
}

/**
 * Starts a throw-away PostgreSQL 17 that has what a hosted database has before the first migration:
 * the platform's roles and its schema auth. Its owner, `postgres`, is no superuser.
 */
export async function startScratchDatabase(): Promise<Database> {
  const directory = await makeScratchDirectory()
  try {
    const secrets = await loadSecrets(directory.path)
    const database = await openEmbedded(
      {
        directory: directory.path,
        passwords: secrets.passwords,
        durable: false,
        preferredPort: undefined,
        log: ignore,
      },
      content,
    )
    const close = async (): Promise<void> => {
      await database.close()
      directory.remove()
    }
    await makeAuthSchema(database, secrets).catch(async (error: unknown) => {
      await database.close()
      throw error
    })
    return { ...database, close }
  } catch (error) {
    directory.remove()
    throw error
  }
}

/**
 * Makes another database on the server of one that startScratchDatabase() gave, as a copy of what
 * it holds now. It ends with the server.
 */
export async function copyScratchDatabase(database: Database, name: string): Promise<Database> {
  if (database.superuserUrl === undefined) throw new Error('only a database of our own is copied')
  const superuser = connect(database.superuserUrl)
  try {
    await superuser`create database ${superuser(name)} template postgres owner postgres`
  } finally {
    await superuser.end()
  }
  const moved = (url: string): string => Object.assign(new URL(url), { pathname: `/${name}` }).href
  return {
    ...database,
    ownerUrl: moved(database.ownerUrl),
    superuserUrl: moved(database.superuserUrl),
    rest: { ...database.rest, url: moved(database.rest.url) },
    auth: { ...database.auth, url: moved(database.auth.url) },
    close: () => Promise.resolve(),
  }
}

/** What startScratchDatabase() gives, on Debian's PostgreSQL 15, with plpgsql_check and pg_cron, which only that has. */
export async function startScratchDebian(): Promise<Database> {
  const directory = await makeScratchDirectory()
  let server: DebianPostgres | undefined
  try {
    const secrets = await loadSecrets(directory.path)
    server = await startDebianPostgres()
    const superuser = connect(server.url)
    try {
      await ensurePlatform(superuser, { owner: 'postgres', passwords: secrets.passwords })
      await superuser`alter database postgres owner to postgres`
      // The command line would make it as the owner, who may not.
      await superuser`create extension plpgsql_check`
      // The hosted platform lets the owner make this one, and gives it the schema.
      await superuser`create extension pg_cron`
      await superuser`grant usage on schema cron to postgres`
      await superuser`grant pg_read_all_settings to postgres`
    } finally {
      await superuser.end()
    }
    const database = databaseAt(server, secrets)
    await makeAuthSchema(database, secrets)
    return database
  } catch (error) {
    await server?.close()
    throw error
  } finally {
    directory.remove()
  }
}

function databaseAt(server: DebianPostgres, { passwords }: Secrets): Database {
  const urlOf = (role: keyof Secrets['passwords']): string => {
    const url = new URL(server.url)
    url.username = role
    url.password = passwords[role]
    return url.href
  }
  return {
    ownerUrl: urlOf('postgres'),
    owner: 'postgres',
    superuserUrl: urlOf('supabase_admin'),
    rest: { url: urlOf('authenticator'), options: {} },
    auth: { url: urlOf('supabase_auth_admin'), options: {} },
    storage: startingAs(urlOf('postgres'), 'supabase_storage_admin'),
    close: server.close,
  }
}

async function makeAuthSchema(database: Database, secrets: Secrets): Promise<void> {
  const auth = await startAuth({ database, secrets, url: 'http://127.0.0.1', log: ignore })
  await auth.close()
}

function ignore(): void {
  // Start-up messages are for the developer of a stack that stays.
}
