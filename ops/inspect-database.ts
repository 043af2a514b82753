import type { Sql } from 'postgres'
import { compareDumps, dumpObjects } from '../dev/check/catalog-dump.ts'
import type { Finding } from './inspect-project.ts'

/** Lines of a dump that the platform may have of its own. */
const foreign = /^(extension|default privileges|publication|event trigger|sequence) /

/**
 * Compares a deployed database with what the migrations make: objects, grants, policies, triggers, the
 * record of applied files, what is published, and whether the token hook hears of sign-ins. Reads only.
 *
 * @param expected dumpObjects() of a database that the migrations alone have made
 * @param versions of the migration files
 */
export async function inspectDatabase(
  sql: Sql,
  expected: readonly string[],
  versions: readonly string[],
): Promise<Finding[]> {
  const own = (lines: readonly string[]) => lines.filter((line) => !foreign.test(line))
  const differences = compareDumps(own(expected), own(await dumpObjects(sql)))
  const [server] = await sql<{ version: string; number: number }[]>`
    select current_setting('server_version') as version,
      current_setting('server_version_num')::integer as number`
  const applied = await sql<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations order by version`
  const published = await sql<{ name: string }[]>`
    select pubname || ': ' || schemaname || '.' || tablename as name
    from pg_catalog.pg_publication_tables
    where schemaname in ('public', 'client_mgmt', 'conversation', 'private') order by 1`
  const missing = versions.filter((version) => !applied.some((row) => row.version === version))
  return [
    finding('PostgreSQL', (server?.number ?? 0) >= 150_000, [server?.version ?? 'unknown']),
    finding('migrations applied', missing.length === 0, missing),
    finding(
      'objects and grants as the migrations make them',
      differences.length === 0,
      differences,
    ),
    finding(
      'no table is published for postgres_changes',
      published.length === 0,
      published.map(({ name }) => name),
    ),
    await inspectHook(sql),
  ]
}

/** The hook notes each sign-in; Auth notes it too. */
async function inspectHook(sql: Sql): Promise<Finding> {
  const check = 'the token hook is on'
  const [last] = await sql<{ heard: boolean }[]>`
    select coalesce(u.last_login_at >= a.last_sign_in_at - interval '1 minute', false) as heard
    from auth.users a left join public.users u using (id)
    where a.last_sign_in_at is not null
    order by a.last_sign_in_at desc limit 1`
  if (last === undefined) return { check, state: 'unknown', details: ['nobody has signed in yet'] }
  return finding(check, last.heard, ['the hook did not hear of the last sign-in'])
}

/** With the details only where they say why. */
function finding(check: string, isWell: boolean, details: readonly string[]): Finding {
  return { check, state: isWell ? 'ok' : 'failed', details: isWell ? [] : details }
}
