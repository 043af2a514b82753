import type { Sql } from 'postgres'
import { platformSettings } from '../api/platform-settings.ts'
import { findUnboundedWrites } from './unbounded-writes.ts'

/** Each gives one line per offence; $1 is the exposed schemas, $2 all schemas of ours. */
const rules = [
  // The advisors see a missing policy only where a whole table is granted; we grant columns.
  `select 'table ' || c.oid::regclass || ' does not enable and force row-level security'
   from pg_class c where c.relnamespace = any($2::regnamespace[]) and c.relkind in ('r', 'p')
     and not (c.relrowsecurity and c.relforcerowsecurity)`,

  // Without a policy no role gets a row; a grant then means a forgotten policy.
  `select 'table ' || c.oid::regclass || ' has no policy, but a grant to ' || client
   from pg_class c, unnest('{anon,authenticated}'::text[]) as client
   where c.relnamespace = any($2::regnamespace[]) and c.relkind in ('r', 'p')
     and not exists (select from pg_policy p where p.polrelid = c.oid)
     and (
       has_any_column_privilege(client, c.oid, 'select, insert, update, references')
       or has_table_privilege(client, c.oid, 'delete, truncate, trigger')
     )`,

  // A secret in a table that clients read fails their select('*'), and the platform's hint then proposes
  // the grant that opens it. It stands in a table of private.
  `select 'relation ' || c.oid::regclass || ' shows ' || client || ' some columns and hides others'
   from pg_class c, unnest('{anon,authenticated,service_role}'::text[]) as client
   where c.relnamespace = any($1::regnamespace[]) and c.relkind in ('r', 'p', 'v')
     and has_any_column_privilege(client, c.oid, 'select')
     and not has_table_privilege(client, c.oid, 'select')`,

  // PostgREST's upsert sets every column that it inserts, the key's too.
  `select 'table ' || c.oid::regclass || ' lets clients insert ' || a.attname
     || ' and not name it in an upsert: grant update, and keep it by a trigger'
   from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   where c.relnamespace = any($1::regnamespace[]) and c.relkind in ('r', 'p')
     and has_any_column_privilege('authenticated', c.oid, 'update')
     and has_column_privilege('authenticated', c.oid, a.attnum, 'insert')
     and not has_column_privilege('authenticated', c.oid, a.attnum, 'update')`,

  // The same blind spot: a view with column grants only.
  `select 'view ' || c.oid::regclass || ' has not security_invoker = true'
   from pg_class c where c.relnamespace = any($2::regnamespace[]) and c.relkind = 'v'
     and not coalesce(c.reloptions, '{}') && '{security_invoker=true,security_invoker=on}'::text[]`,

  // Row-level security does not exist for these.
  `select 'relation ' || c.oid::regclass || ' is materialized or foreign, in an exposed schema'
   from pg_class c where c.relnamespace = any($1::regnamespace[]) and c.relkind in ('m', 'f')`,

  // The advisors accept any search_path.
  `select 'function ' || p.oid::regprocedure || ' has not search_path = '''''
   from pg_proc p where p.pronamespace = any($2::regnamespace[])
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
     and not 'search_path=""' = any(coalesce(p.proconfig, '{}'))`,

  // A function is executable by everyone until that is revoked.
  `select 'function ' || p.oid::regprocedure || ' can be executed by everyone'
   from pg_proc p where p.pronamespace = any($2::regnamespace[])
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
     and exists (
       select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
       where a.grantee = 0 and a.privilege_type = 'EXECUTE'
     )`,

  `select 'function ' || p.oid::regprocedure || ' is security definer and anon may execute it'
   from pg_proc p where p.pronamespace = any($2::regnamespace[]) and p.prosecdef
     and has_function_privilege('anon', p.oid, 'execute')`,

  `select 'policy ' || p.polname || ' on ' || p.polrelid::regclass || ' holds for every role'
   from pg_policy p join pg_class c on c.oid = p.polrelid
   where c.relnamespace = any($2::regnamespace[]) and 0 = any(p.polroles)`,

  `select 'policy ' || p.polname || ' on ' || p.polrelid::regclass || ' is not named <command>_<who>'
   from pg_policy p join pg_class c on c.oid = p.polrelid
   where c.relnamespace = any($2::regnamespace[])
     and p.polname !~ ('^' || case p.polcmd when 'r' then 'select' when 'a' then 'insert'
       when 'w' then 'update' when 'd' then 'delete' else 'no command' end || '_[a-z_]+$')`,

  `select 'policy ' || p.polname || ' on ' || p.polrelid::regclass || ' has no check of its own'
   from pg_policy p join pg_class c on c.oid = p.polrelid
   where c.relnamespace = any($2::regnamespace[]) and p.polcmd = 'w'
     and (p.polqual is null or p.polwithcheck is null)`,

  // The advisors know auth.* and current_setting(); our helpers cost as much once per row, but for
  // is_not_explained(), which the planner computes.
  `select 'policy ' || p.polname || ' on ' || p.polrelid::regclass || ' calls ' || call[1]
     || ' for every row: write (select ' || call[1] || ')'
   from pg_policy p join pg_class c on c.oid = p.polrelid,
     concat(pg_get_expr(p.polqual, p.polrelid), ' ', pg_get_expr(p.polwithcheck, p.polrelid)) as body,
     regexp_matches(
       regexp_replace(body, 'SELECT private\\.\\w+\\(|private\\.is_not_explained\\(', '', 'g'),
       '(private\\.\\w+\\((?:''[^'']*''::text)?\\))', 'g'
     ) as call
   where c.relnamespace = any($2::regnamespace[])`,

  // postgres_changes sends the key of a deleted row to every tenant.
  `select 'table ' || p.schemaname || '.' || p.tablename || ' is published by ' || p.pubname
   from pg_publication_tables p where p.schemaname::regnamespace = any($2::regnamespace[])`,

  `select 'relation ' || c.oid::regclass || ' has no comment'
   from pg_class c where c.relnamespace = any($2::regnamespace[]) and c.relkind in ('r', 'p', 'v')
     and not c.relispartition and obj_description(c.oid, 'pg_class') is null`,

  `select 'function ' || p.oid::regprocedure || ' has no comment'
   from pg_proc p where p.pronamespace = any($2::regnamespace[])
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
     and obj_description(p.oid, 'pg_proc') is null`,

  `select 'policy ' || p.polname || ' on ' || p.polrelid::regclass || ' has no comment'
   from pg_policy p join pg_class c on c.oid = p.polrelid
   where c.relnamespace = any($2::regnamespace[]) and obj_description(p.oid, 'pg_policy') is null`,
]

/** What Supabase's advisors do not see, and our SQL conventions that the catalog can prove. */
export async function findCatalogProblems(sql: Sql): Promise<string[]> {
  const exposed = [...platformSettings.api.schemas]
  const parameters = [exposed, [...exposed, 'private']]
  const problems = await findUnboundedWrites(sql, [...exposed, 'private'])
  for (const rule of rules) {
    const query = `with unused as (select $1::text[], $2::text[]) ${rule}`
    const rows = await sql.unsafe(query, parameters).values()
    problems.push(...rows.map(([line]) => String(line)))
  }
  return problems
}
