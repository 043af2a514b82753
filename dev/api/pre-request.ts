import type { PostgresConnection } from '@supabase/lite/postgres'
import { sql } from 'kysely'

/**
 * The function that PostgREST calls before each request, quoted: `pgrst.db_pre_request` of the role
 * `authenticator`, for this database before all (PostgREST, Configuration: in-database).
 */
export async function readPreRequest(catalog: PostgresConnection): Promise<string | undefined> {
  const { rows } = await sql<{ name: string }>`
    select split_part(setting, '=', 2) as name
    from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) setting
    where s.setrole = 'authenticator'::regrole
      and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      and setting like 'pgrst.db\\_pre\\_request=%'
    order by s.setdatabase desc limit 1`.execute(catalog.kysely)
  const name = rows[0]?.name
  if (name === undefined || name === '') return undefined
  const parts = name.includes('.') ? name.split('.') : ['public', name]
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.')
}
