import { join } from 'node:path'
import postgres, { type Options, type Sql } from 'postgres'
import { errorCode, firstLine, StartError } from '../process/start-error.ts'
import { applyMigrations, findChange } from './migrations.ts'
import { ensurePlatform } from './platform.ts'
import { locateData, setDataAside } from './postgres-data.ts'
import { type EmbeddedPostgres, type PostgresOptions, startPostgres } from './postgres.ts'
import { applySeed } from './seed.ts'

/** How to open connections as one role. */
export interface Login {
  url: string
  options: Options<Record<string, never>>
}

export interface Database {
  /** As the owner of the migrations' objects; the platform's `postgres`. */
  ownerUrl: string
  owner: string
  /** As the superuser; absent for a database that is not ours. */
  superuserUrl: string | undefined
  /** As `authenticator`, like PostgREST: may become anon, authenticated or service_role only. */
  rest: Login
  /** As `supabase_auth_admin`, like GoTrue. */
  auth: Login
  /** As `supabase_storage_admin`, like Storage. */
  storage: Login
  close(): Promise<void>
}

export interface Content {
  migrationsDirectory: string
  seedFile: string
}

/** Opens a connection pool that prints no notices. */
export function connect(login: Login | string, max = 1): Sql {
  const { url, options } = typeof login === 'string' ? { url: login, options: {} } : login
  return postgres(url, { onnotice: () => undefined, max, ...options })
}

/** Each session starts as a role that has no password of ours. */
export function startingAs(url: string, role: string): Login {
  return { url, options: { connection: { role } } }
}

/** Starts the embedded server and makes the platform's roles and schemas. */
async function startEmbedded(options: PostgresOptions): Promise<Database> {
  const server = await startPostgres(options)
  try {
    const superuser = connect(server.url('supabase_admin'))
    try {
      await ensurePlatform(superuser, { owner: 'postgres', passwords: options.passwords })
      await superuser`alter database postgres owner to postgres`
    } finally {
      await superuser.end()
    }
    return embedded(server)
  } catch (error) {
    await server.close()
    if (errorCode(error) !== '28P01') throw error
    throw new StartError(
      `${join(options.directory, 'secrets.json')} does not belong to the database beside it. Restore it, or run "npm run db:reset".`,
    )
  }
}

function embedded(server: EmbeddedPostgres): Database {
  return {
    ownerUrl: server.url('postgres'),
    owner: 'postgres',
    superuserUrl: server.url('supabase_admin'),
    rest: { url: server.url('authenticator'), options: {} },
    auth: { url: server.url('supabase_auth_admin'), options: {} },
    storage: startingAs(server.url('postgres'), 'supabase_storage_admin'),
    close: () => server.close(),
  }
}

/**
 * Uses the PostgreSQL at `url`. Its roles' passwords are not ours, so every session logs in as the
 * given user and starts as the role it stands for.
 */
async function openExternal(url: string): Promise<Database> {
  const sql = connect({ url, options: { connect_timeout: 5 } })
  try {
    const [row] = await sql<{ owner: string; version: number }[]>`
      select current_user as owner, current_setting('server_version_num')::integer as version`
    if (row === undefined || row.version < 150_000) {
      throw new StartError(
        'DATABASE_URL is an older PostgreSQL: use version 15 or newer (best 17).',
      )
    }
    await ensurePlatform(sql, { owner: row.owner })
    return {
      ownerUrl: url,
      owner: row.owner,
      superuserUrl: undefined,
      rest: startingAs(url, 'authenticator'),
      auth: { url, options: { connection: { role: 'supabase_auth_admin', search_path: 'auth' } } },
      storage: startingAs(url, 'supabase_storage_admin'),
      close: () => Promise.resolve(),
    }
  } catch (error) {
    if (error instanceof StartError) throw error
    throw new StartError(
      `DATABASE_URL cannot be used (${hostOf(url)}): ${firstLine(error) || errorCode(error)}. Check that the server runs and the address is right, or unset DATABASE_URL to use the embedded one.`,
    )
  } finally {
    await sql.end({ timeout: 1 })
  }
}

function hostOf(url: string): string {
  // Without the password: this is printed.
  return URL.canParse(url) ? new URL(url).host : 'it is not a URL'
}

/** Applies migrations and seed. @throws StartError */
export async function migrate(database: Database, content: Content): Promise<void> {
  const sql = connect(database.ownerUrl, 2)
  try {
    await applyMigrations(sql, content.migrationsDirectory)
    await applySeed(sql, content.seedFile)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function changeOf(database: Database, content: Content): Promise<string | undefined> {
  const sql = connect(database.ownerUrl)
  try {
    return await findChange(sql, content.migrationsDirectory)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/**
 * The embedded database. When a migration it has applied has changed since, it is built anew, and
 * the old data is kept beside it.
 */
export async function openEmbedded(options: PostgresOptions, content: Content): Promise<Database> {
  const database = await startEmbedded(options)
  try {
    const change = await changeOf(database, content)
    if (change === undefined) return database
    await database.close()
    const aside = setDataAside(locateData(options.directory, options.log))
    options.log(`${change}: building a new database. The old one is kept in ${aside}.`)
  } catch (error) {
    await database.close()
    throw error
  }
  return startEmbedded(options)
}

/** The database of DATABASE_URL, which is never rebuilt. @throws StartError */
export async function openGiven(url: string, content: Content): Promise<Database> {
  const database = await openExternal(url)
  const change = await changeOf(database, content)
  if (change === undefined) return database
  throw new StartError(
    `${change}. The database of DATABASE_URL is not rebuilt: undo the change and add a new migration, or use an empty database.`,
  )
}
