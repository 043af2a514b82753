import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Sql } from 'postgres'
import { afterAll, beforeAll } from 'vitest'
import { content } from '../../../dev/check/scratch-database.ts'
import { connect, type Login } from '../../../dev/postgres/database.ts'
import { applyMigrations } from '../../../dev/postgres/migrations.ts'
import {
  type EmbeddedPostgres,
  type LoginRole,
  startPostgres,
} from '../../../dev/postgres/postgres.ts'
import { loadSecrets, type Secrets } from '../../../dev/postgres/secrets.ts'
import { applySeed } from '../../../dev/postgres/seed.ts'
import { makeDirectory } from './directory.ts'
import { urlOf } from './migrated-database.ts'

/** A database as the hosted platform makes it, and the roles that log in to it. */
export interface Hosted {
  /** Deploys: no superuser. */
  readonly postgres: Sql
  /** Auth: each of its statements ends after 2 s. */
  readonly auth: Sql
  /** PostgREST. */
  readonly rest: Sql
  readonly superuser: Sql
  readonly ownerUrl: string
  readonly superuserUrl: string
}

const sqlOf = (name: string) => readFileSync(fileURLToPath(new URL(name, import.meta.url)), 'utf8')

/** What Realtime makes, and what its migrations leave to postgres. */
export const realtime = `
  ${sqlOf('../../../dev/postgres/realtime.sql')};
  grant usage on schema realtime to postgres;
  grant select, insert, update on realtime.messages to postgres;`

/** Makes a database on the server, with `setUp` run as its superuser. */
export type MakeProject = (name: string, setUp?: string) => Promise<Hosted>

/** Starts a server with what the platform has before the first migration; `close` ends it. */
export async function startHosted(): Promise<{ make: MakeProject; close: () => Promise<void> }> {
  const directory = makeDirectory()
  const { passwords } = await loadSecrets(directory)
  const server = await startPostgres({
    directory,
    passwords,
    durable: false,
    preferredPort: undefined,
    log: () => undefined,
  })
  const open: Sql[] = []
  const close = async (): Promise<void> => {
    await Promise.all(open.map((sql) => sql.end({ timeout: 5 })))
    await server.close()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await makePlatform(server, passwords)
  } catch (error) {
    await close()
    throw error
  }
  return { make: (name, setUp = '') => makeProject(server, open, name, setUp), close }
}

async function makePlatform(server: EmbeddedPostgres, passwords: Secrets['passwords']) {
  const superuser = connect(server.url('supabase_admin'))
  try {
    await superuser.unsafe(sqlOf('./hosted.sql'))
    await superuser.begin((tx) => tx.unsafe(realtime))
    for (const role of ['postgres', 'authenticator', 'supabase_auth_admin'] as const) {
      await superuser.unsafe(`alter role ${role} password '${passwords[role]}'`)
    }
  } finally {
    await superuser.end()
  }
}

async function makeProject(
  { url }: EmbeddedPostgres,
  open: Sql[],
  name: string,
  setUp: string,
): Promise<Hosted> {
  const template = connect(url('supabase_admin').replace(/postgres$/, 'template1'))
  try {
    await template`create database ${template(name)} template postgres`
  } finally {
    await template.end()
  }
  const urlAs = (role: LoginRole) => urlOf(url(role), name)
  const at = (role: LoginRole, options: Login['options'] = {}) => {
    const sql = connect({ url: urlAs(role), options }, 3)
    open.push(sql)
    return sql
  }
  const superuser = at('supabase_admin')
  await superuser.unsafe(`grant all on database "${name}" to postgres, dashboard_user; ${setUp}`)
  return {
    superuser,
    postgres: at('postgres'),
    auth: at('supabase_auth_admin', { connection: { statement_timeout: 2_000 } }),
    rest: at('authenticator'),
    ownerUrl: urlAs('postgres'),
    superuserUrl: urlAs('supabase_admin'),
  }
}

/** A server of the file's own, for roles are the server's, with a database per project. */
export function hostedServer(): MakeProject {
  let server: Awaited<ReturnType<typeof startHosted>> | undefined
  // Beside the other hook and not in it: a hook that a hook registers is not run.
  afterAll(async () => {
    await server?.close()
  })
  beforeAll(async () => {
    server = await startHosted()
  })
  return (name, setUp) => {
    if (server === undefined) throw new Error('the server has not started')
    return server.make(name, setUp)
  }
}

export const olderDefaults = sqlOf('./hosted-older-defaults.sql')

/** Applies migrations and seed as the role that deploys. */
export async function deploy(database: Hosted): Promise<void> {
  await withPolicies(database, async () => {
    await applyMigrations(database.postgres, content.migrationsDirectory)
    await applySeed(database.postgres, content.seedFile)
  })
}

/**
 * supautils lets the platform's postgres make policies on the tables of Realtime and Storage, and
 * nothing else there (policy_grants). Here it holds their owners' roles while `work` runs.
 */
export async function withPolicies<Result>(
  { superuser }: Hosted,
  work: () => Promise<Result>,
): Promise<Result> {
  const owners = superuser`supabase_realtime_admin, supabase_storage_admin`
  await superuser`grant ${owners} to postgres`
  try {
    return await work()
  } finally {
    await superuser`revoke ${owners} from postgres`
  }
}
