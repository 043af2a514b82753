import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ISql, Sql } from 'postgres'
import { errorCode, firstLine, StartError } from '../process/start-error.ts'

export interface PlatformOptions {
  /** Role that owns what migrations make. */
  owner: string
  /** Sets passwords of the roles that log in; absent when they are not ours to set. */
  passwords?: Record<'postgres' | 'authenticator' | 'supabase_auth_admin', string>
}

/** The platform's roles and their attributes (supabase/postgres, migrations/db/init-scripts). */
const ROLES: Record<string, string> = {
  anon: 'nologin noinherit',
  authenticated: 'nologin noinherit',
  service_role: 'nologin noinherit bypassrls',
  authenticator: 'login noinherit',
  supabase_auth_admin: 'login noinherit createrole',
  supabase_realtime_admin: 'nologin noinherit',
  supabase_storage_admin: 'nologin noinherit',
}

const API_ROLES = 'anon, authenticated, service_role'

/**
 * Makes what a hosted database has before the first migration and this one lacks: roles, the
 * schemas auth, realtime, storage and extensions, and the default privileges, which grant everything made in public
 * to the API roles by name. Migrations are tested against those. Repeatable: what exists is left
 * as it is, so that a revoke in a migration is not undone at the next start.
 *
 * @param sql connection of someone who may create roles
 * @throws StartError when the connection may not make a part that is missing.
 */
export async function ensurePlatform(sql: Sql, options: PlatformOptions): Promise<void> {
  try {
    await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(hashtext('colloquy platform'))`
      await ensureRoles(tx, options)
      await allowRestSettings(tx, options)
      await ensureSchemas(tx, options)
    })
  } catch (error) {
    if (errorCode(error) !== '42501') throw error
    throw new StartError(
      `The user of DATABASE_URL may not prepare the database: ${firstLine(error)}. Use one that may create roles and schemas, or a database that has the platform's roles (${Object.keys(ROLES).join(', ')}) and schemas.`,
    )
  }
}

async function ensureRoles(sql: ISql, { owner, passwords }: PlatformOptions): Promise<void> {
  const rows = await sql<{ rolname: string }[]>`select rolname from pg_catalog.pg_roles`
  const existing = new Set(rows.map((row) => row.rolname))
  if (!existing.has(owner)) {
    // As on the platform, the owner is not a superuser: a migration that needs one fails here too.
    const attributes = 'login createdb createrole replication bypassrls'
    await sql`create role ${sql(owner)} ${sql.unsafe(attributes)}`
    await sql`alter role ${sql(owner)} set search_path = "$user", public, extensions`
    await sql`grant pg_monitor, pg_read_all_data, pg_signal_backend to ${sql(owner)}`
  }
  for (const [role, attributes] of Object.entries(ROLES)) {
    if (existing.has(role)) continue
    await sql`create role ${sql(role)} ${sql.unsafe(attributes)}`
    if (role === 'anon') await sql`alter role anon set statement_timeout = '3s'`
    if (role === 'authenticated') await sql`alter role authenticated set statement_timeout = '8s'`
    if (role === 'authenticator') {
      await sql`alter role authenticator set statement_timeout = '8s'`
      await sql`alter role authenticator set lock_timeout = '8s'`
    }
    if (role === 'supabase_auth_admin') {
      await sql`alter role supabase_auth_admin set search_path = auth`
    }
  }
  for (const [role, password] of Object.entries(passwords ?? {})) {
    // Statements like this one take no parameters; the password is base64url, nothing to escape.
    await sql.unsafe(`alter role ${role} password '${password}'`)
  }
  if (Object.keys(ROLES).every((role) => existing.has(role))) return
  await sql`grant ${sql.unsafe(API_ROLES)} to authenticator`
  // Not inherited: the owner acts as these roles only by saying so, as tests and the stack do.
  // PostgreSQL 15 cannot say so per grant; there the owner inherits.
  const [server] = await sql<{ version: number }[]>`
    select current_setting('server_version_num')::integer as version`
  const terms = (server?.version ?? 0) >= 160_000 ? 'with inherit false, set true' : ''
  await sql`
    grant ${sql.unsafe(API_ROLES)}, authenticator, supabase_auth_admin to ${sql(owner)}
    ${sql.unsafe(terms)}`
}

/**
 * The platform's `postgres` may give `authenticator` settings named pgrst.* (supautils). PostgreSQL
 * asks for a right on each setting, which only a superuser grants, and for the role's admin option.
 */
async function allowRestSettings(sql: ISql, { owner }: PlatformOptions): Promise<void> {
  const [caller] = await sql<{ rolsuper: boolean }[]>`
    select rolsuper from pg_catalog.pg_roles where rolname = current_user`
  // Without one the migration that needs the right says what to do.
  if (caller?.rolsuper !== true) return
  await sql`
    grant set on parameter pgrst.db_pre_request, pgrst.db_plan_enabled to ${sql(owner)}`
  await sql`grant authenticator to ${sql(owner)} with admin option`
}

async function ensureSchemas(sql: ISql, { owner }: PlatformOptions): Promise<void> {
  const rows = await sql<{ nspname: string }[]>`select nspname from pg_catalog.pg_namespace`
  const existing = new Set(rows.map((row) => row.nspname))
  if (!existing.has('extensions')) {
    await sql`create schema extensions authorization ${sql(owner)}`
    await sql`grant usage on schema extensions to ${sql.unsafe(API_ROLES)}`
    for (const extension of ['pgcrypto', 'uuid-ossp']) {
      await sql`create extension if not exists ${sql(extension)} with schema extensions`
    }
  }
  if (!existing.has('realtime')) await makePart(sql, owner, 'realtime')
  if (!existing.has('storage')) await makePart(sql, owner, 'storage')
  if (existing.has('auth')) return
  await sql`create schema auth authorization supabase_auth_admin`
  // Only the owner of a schema grants it, and who made it here need not be a superuser.
  await sql`set local role supabase_auth_admin`
  await sql`grant usage on schema auth to ${sql.unsafe(API_ROLES)}, ${sql(owner)}`
  await sql`reset role`
  await sql`grant usage on schema public to ${sql.unsafe(API_ROLES)}, supabase_auth_admin`
  await sql`grant usage, create on schema public to ${sql(owner)}`
  for (const kind of ['tables', 'functions', 'sequences']) {
    await sql`
      alter default privileges for role ${sql(owner)} in schema public
      grant all on ${sql.unsafe(kind)} to ${sql.unsafe(API_ROLES)}`
  }
}

/**
 * Makes the schema of Realtime or Storage. The platform lets `postgres` make policies on their tables
 * (supautils, policy_grants); here it gets the role that owns them. On a server with another database
 * of the stack the owner has the role already.
 */
async function makePart(sql: ISql, owner: string, part: 'realtime' | 'storage'): Promise<void> {
  const admin = `supabase_${part}_admin`
  const [role] = await sql<{ held: boolean }[]>`
    select pg_has_role(${owner}, ${admin}, 'usage') as held`
  if (role?.held !== true) await sql`grant ${sql(admin)} to ${sql(owner)}`
  await sql.unsafe(readFileSync(fileURLToPath(new URL(`${part}.sql`, import.meta.url)), 'utf8'))
}
