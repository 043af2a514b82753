import type { Sql } from 'postgres'

const schemas = ['public', 'client_mgmt', 'conversation', 'private', 'extensions']

/**
 * One line per object that migrations can make in our schemas, and per trigger on `auth`: its
 * definition, owner, grants and comment. Object ids, which differ between databases, and derived
 * objects of PostgreSQL are left out.
 */
const objects = `
  select line from (
  with ours as (select oid, nspname from pg_namespace where nspname = any($1)),
  relations as (
    select c.oid, n.nspname || '.' || c.relname as name, c.relkind, c.relowner,
      c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relacl
    from pg_class c join ours n on n.oid = c.relnamespace
  ),
  routines as (
    select p.*, p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace in (select oid from ours)
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  )
  select 'schema ' || nspname || ' owner ' || nspowner::regrole || ' acl ' || coalesce(nspacl::text, '')
    || ' comment ' || coalesce(obj_description(oid, 'pg_namespace'), '') as line
    from pg_namespace where nspname = any($1)
  union all
  select 'relation ' || name || ' kind ' || relkind::text || ' owner ' || relowner::regrole
    || ' rls ' || relrowsecurity || '/' || relforcerowsecurity
    || ' options ' || coalesce(reloptions::text, '') || ' acl ' || coalesce(relacl::text, '')
    || ' comment ' || coalesce(obj_description(oid, 'pg_class'), '')
    || case when relkind in ('v', 'm') then ' as ' || pg_get_viewdef(oid) else '' end
    from relations
  union all
  select 'column ' || r.name || '.' || a.attname || ' ' || a.attnum || ' '
    || format_type(a.atttypid, a.atttypmod) || ' not null ' || a.attnotnull
    || ' default ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' generated ' || a.attgenerated::text
    || ' identity ' || a.attidentity::text || ' acl ' || coalesce(a.attacl::text, '')
    || ' comment ' || coalesce(col_description(r.oid, a.attnum), '')
    from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
  union all
  select 'constraint ' || r.name || '.' || k.conname || ' ' || pg_get_constraintdef(k.oid)
    || ' validated ' || k.convalidated
    from pg_constraint k join relations r on r.oid = k.conrelid
  union all
  select 'index ' || pg_get_indexdef(i.indexrelid) || ' valid ' || i.indisvalid
    from pg_index i join relations r on r.oid = i.indrelid
  union all
  select 'policy ' || r.name || '.' || p.polname || ' for ' || p.polcmd::text || ' permissive ' || p.polpermissive
    || ' to ' || p.polroles::regrole[]::text
    || ' using ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '')
    || ' check ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
    || ' comment ' || coalesce(obj_description(p.oid, 'pg_policy'), '')
    from pg_policy p join relations r on r.oid = p.polrelid
  union all
  select 'function ' || name || ' owner ' || proowner::regrole || ' acl ' || coalesce(proacl::text, '')
    || ' comment ' || coalesce(obj_description(oid, 'pg_proc'), '')
    || case when prokind in ('f', 'p') then ' as ' || pg_get_functiondef(oid) else '' end
    from routines
  union all
  select 'trigger ' || pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where not t.tgisinternal and (n.nspname = any($1) or n.nspname = 'auth')
  union all
  select 'type ' || t.oid::regtype || ' kind ' || t.typtype::text || ' acl ' || coalesce(t.typacl::text, '')
    || ' labels ' || coalesce((select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), '')
    from pg_type t where t.typnamespace in (select oid from ours) and t.typtype in ('e', 'd', 'r')
  union all
  select 'sequence ' || schemaname || '.' || sequencename || ' from ' || start_value || ' by ' || increment_by
    || ' at ' || coalesce(last_value::text, '') from pg_sequences where schemaname = any($1)
  union all
  select 'default privileges of ' || defaclrole::regrole || ' in ' || coalesce(defaclnamespace::regnamespace::text, '')
    || ' for ' || defaclobjtype::text || ' ' || defaclacl::text from pg_default_acl
  union all
  select 'extension ' || extname || ' ' || extversion || ' in ' || extnamespace::regnamespace from pg_extension
  union all
  select 'event trigger ' || evtname || ' on ' || evtevent from pg_event_trigger
  union all
  select 'publication of ' || pubname || ': ' || coalesce(schemaname || '.' || tablename, '') from pg_publication
    left join pg_publication_tables using (pubname)
  ) as all_objects order by line collate "C"`

/** Every object of our schemas, one line each, sorted; the same for equal databases. */
export async function dumpObjects(sql: Sql): Promise<string[]> {
  const rows = await sql.unsafe<{ line: string }[]>(objects, [schemas])
  return rows.map((row) => row.line)
}

/** Every row of our tables and of the record of applied migrations, one line each, sorted. */
export async function dumpRows(sql: Sql): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname = any(${[...schemas, 'supabase_migrations']})
    order by 1`
  const lines: string[] = []
  for (const { name } of tables) {
    // The name comes from the catalog, quoted where it must be.
    const rows = await sql.unsafe<{ line: string }[]>(
      `select '${name} ' || t::text as line from ${name} t order by 1`,
    )
    lines.push(...rows.map((row) => row.line))
  }
  return lines
}

/** What two sorted dumps do not share: `- ` only before, `+ ` only after. */
export function compareDumps(before: readonly string[], after: readonly string[]): string[] {
  const [old, current] = [new Set(before), new Set(after)]
  return [
    ...before.filter((line) => !current.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ]
}
