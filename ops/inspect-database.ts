import type { Sql } from 'postgres'
import { dumpObjects } from '../dev/check/catalog-dump.ts'
import { compareObjects } from './compare-objects.ts'
import { attempt, type Finding, Unknown } from './finding.ts'
import {
  inspectCleanUps,
  inspectFiles,
  inspectHearers,
  inspectRequests,
} from './inspect-services.ts'

/**
 * Compares a deployed database with what the migrations make: objects, grants, policies, triggers, the
 * record of applied files, what is published, what PostgREST, Realtime and pg_cron are told, and whether
 * the token hook hears of sign-ins. Reads only.
 *
 * @param model gives dumpObjects() of a database that the migrations alone have made
 * @param versions of the migration files
 */
export async function inspectDatabase(
  sql: Sql,
  model: () => Promise<readonly string[]>,
  versions: readonly string[],
): Promise<Finding[]> {
  const findings: Finding[] = []
  const looks: [string, () => Promise<readonly string[] | Unknown>][] = [
    ['PostgreSQL is 15 or newer', () => inspectVersion(sql)],
    ['migrations applied', () => inspectRecord(sql, versions)],
    [
      'objects and grants as the migrations make them',
      async () => compareObjects(await model(), await dumpObjects(sql)),
    ],
    ['no view shows rows past their policies', () => inspectViews(sql)],
    ['no table is published for postgres_changes', () => inspectPublications(sql)],
    ['PostgREST checks each request', () => inspectRequests(sql)],
    ['Realtime asks the policies of sessions', () => inspectHearers(sql)],
    ['files are private and checked', () => inspectFiles(sql)],
    ['clean-ups are scheduled', () => inspectCleanUps(sql)],
    ['the token hook is on', () => inspectHook(sql)],
  ]
  // In turn: one connection, and in the tests one transaction.
  for (const [check, look] of looks) findings.push(await attempt(check, look))
  return findings
}

async function inspectVersion(sql: Sql): Promise<string[]> {
  const [server] = await sql<{ version: string; number: number }[]>`
    select current_setting('server_version') as version,
      current_setting('server_version_num')::integer as number`
  return server !== undefined && server.number >= 150_000 ? [] : [server?.version ?? 'unknown']
}

async function inspectRecord(sql: Sql, versions: readonly string[]): Promise<string[]> {
  const [record] = await sql<{ there: boolean }[]>`
    select to_regclass('supabase_migrations.schema_migrations') is not null as there`
  if (record?.there !== true) return ['supabase_migrations.schema_migrations does not exist']
  const applied = await sql<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations`
  return versions.filter((version) => !applied.some((row) => row.version === version))
}

/** A view of the project's own reads as its owner, whom no policy stops. */
async function inspectViews(sql: Sql): Promise<string[]> {
  const views = await sql<{ name: string }[]>`
    select distinct v.oid::regclass::text as name
    from pg_catalog.pg_rewrite r
    join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind in ('v', 'm')
    join pg_catalog.pg_depend d
      on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_catalog.pg_class t on t.oid = d.refobjid and t.oid <> v.oid and t.relforcerowsecurity
    where t.relnamespace = any(array['public', 'private', 'client_mgmt', 'conversation']::regnamespace[])
      and not coalesce(v.reloptions, '{}') && '{security_invoker=true,security_invoker=on}'::text[]
      and (
        has_any_column_privilege('anon', v.oid, 'select')
        or has_any_column_privilege('authenticated', v.oid, 'select')
      )
    order by 1`
  return views.map(({ name }) => `${name} has not security_invoker = true`)
}

async function inspectPublications(sql: Sql): Promise<string[]> {
  const published = await sql<{ name: string }[]>`
    select p.pubname || ': ' || p.schemaname || '.' || p.tablename as name
    from pg_catalog.pg_publication_tables p
    join pg_catalog.pg_class c
      on c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass and c.relforcerowsecurity
    where p.schemaname in ('public', 'client_mgmt', 'conversation', 'private') order by 1`
  return published.map(({ name }) => name)
}

/** The hook notes each sign-in; Auth notes it too. Sign-ins from before the first row say nothing. */
async function inspectHook(sql: Sql): Promise<string[] | Unknown> {
  const [last] = await sql<{ heard: boolean }[]>`
    select coalesce(u.last_login_at >= a.last_sign_in_at - interval '1 minute', false) as heard
    from auth.users a left join public.users u using (id)
    where a.last_sign_in_at > (select min(created_at) from public.agents)
    order by a.last_sign_in_at desc limit 1`
  if (last === undefined) {
    return new Unknown(['no person has signed in since the migrations: sign in, then ask again'])
  }
  if (last.heard) return []
  return ['the hook did not hear of the last sign-in: switch it on, sign in, then ask again']
}
