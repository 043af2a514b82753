/** Names of the columns with the given numbers, in that order, as a JSON array. */
const names = (relation: string, numbers: string): string => `(
  select jsonb_agg(ka.attname order by ko.position)
  from unnest(${numbers}) with ordinality ko (number, position)
  join pg_attribute ka on ka.attrelid = ${relation} and ka.attnum = ko.number
)`

/** Columns on which role `r` holds a privilege, through whatever grant, as a JSON array. */
const granted = (privilege: string): string => `(
  select coalesce(jsonb_agg(ga.attname order by ga.attnum), '[]')
  from pg_attribute ga
  where ga.attrelid = c.oid and ga.attnum > 0 and not ga.attisdropped
    and has_column_privilege(r, c.oid, ga.attnum, '${privilege}')
)`

const list = (query: string): string => `coalesce((${query}), '[]')`

const columns = `
  select jsonb_agg(jsonb_build_object(
    'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
    'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity <> ''
  ) order by a.attnum)
  from pg_attribute a left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`

const foreignKeys = `
  select jsonb_agg(jsonb_build_object(
    'name', k.conname, 'columns', ${names('k.conrelid', 'k.conkey')},
    'parent', pn.nspname || '.' || pc.relname, 'parentColumns', ${names('k.confrelid', 'k.confkey')},
    'validated', k.convalidated
  ) order by k.conname)
  from pg_constraint k
  join pg_class pc on pc.oid = k.confrelid join pg_namespace pn on pn.oid = pc.relnamespace
  where k.conrelid = c.oid and k.contype = 'f'`

const policies = `
  select jsonb_agg(jsonb_build_object(
    'name', p.polname, 'permissive', p.polpermissive,
    'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
    'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
      when 'd' then 'delete' else 'all' end,
    'roles', (select jsonb_agg(coalesce(pr.rolname, 'public'))
      from unnest(p.polroles) po left join pg_roles pr on pr.oid = po)
  ) order by p.polname)
  from pg_policy p where p.polrelid = c.oid`

const triggers = `
  select jsonb_agg(jsonb_build_object(
    'name', t.tgname, 'enabled', t.tgenabled = 'O',
    'does', regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER \\S+ | ON \\S+', '', 'g')
  ) order by t.tgname)
  from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal`

const grants = `
  select jsonb_agg(jsonb_build_object(
    'role', r, 'select', ${granted('select')}, 'insert', ${granted('insert')},
    'update', ${granted('update')}, 'references', ${granted('references')},
    'other', (select coalesce(jsonb_agg(p), '[]')
      from unnest('{delete,truncate,trigger}'::text[]) p where has_table_privilege(r, c.oid, p))
  ))
  from unnest($3::text[]) r`

/** One JSON object per table and view; $1 our schemas, $2 the exposed ones, $3 the API roles. */
export const relationsQuery = `
select jsonb_build_object(
  'id', n.nspname || '.' || c.relname,
  'kind', case when c.relkind in ('v', 'm') then 'view' else 'table' end,
  'exposed', n.nspname = any($2), 'rowSecurity', c.relrowsecurity, 'forced', c.relforcerowsecurity,
  'invoker', coalesce(c.reloptions, '{}') && '{security_invoker=true,security_invoker=on}'::text[],
  'columns', ${list(columns)},
  'primaryKey', ${list(`select ${names('k.conrelid', 'k.conkey')} from pg_constraint k
    where k.conrelid = c.oid and k.contype = 'p'`)},
  'unique', ${list(`select jsonb_agg(${names('i.indrelid', 'i.indkey::int2[]')}) from pg_index i
    where i.indrelid = c.oid and i.indisunique and 0 <> all (i.indkey::int2[])`)},
  'nullsNotDistinct', ${list(`select jsonb_agg(${names('i.indrelid', 'i.indkey::int2[]')}) from pg_index i
    where i.indrelid = c.oid and i.indnullsnotdistinct and 0 <> all (i.indkey::int2[])`)},
  'deferrable', ${list(`select jsonb_agg(${names('i.indrelid', 'i.indkey::int2[]')}) from pg_index i
    where i.indrelid = c.oid and i.indisunique and not i.indimmediate and 0 <> all (i.indkey::int2[])`)},
  'checks', ${list(`select jsonb_agg(jsonb_build_object('name', k.conname,
    'definition', pg_get_constraintdef(k.oid), 'columns', ${list(`select ${names('k.conrelid', 'k.conkey')}`)})
    order by k.conname) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c'`)},
  'foreignKeys', ${list(foreignKeys)}, 'policies', ${list(policies)},
  'triggers', ${list(triggers)}, 'grants', ${list(grants)}
) as relation
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
order by n.nspname, c.relname`

/** One JSON object per function that is ours; parameters as above. */
export const routinesQuery = `
select jsonb_build_object(
  'id', n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')',
  'schema', n.nspname, 'name', p.proname, 'returns', pg_get_function_result(p.oid),
  'definer', p.prosecdef, 'closedPath', 'search_path=""' = any(coalesce(p.proconfig, '{}')),
  'isTrigger', p.prorettype = 'trigger'::regtype, 'body', p.prosrc,
  'arguments', ${list(`
    select jsonb_agg(jsonb_build_object('name', coalesce(p.proargnames[g.position], ''),
      'type', format_type(g.type, null), 'optional', g.position > p.pronargs - p.pronargdefaults)
      order by g.position)
    from unnest(p.proargtypes) with ordinality g (type, position)`)},
  'executors', ${list(`
    select jsonb_agg(r) from unnest($3::text[]) r where has_function_privilege(r, p.oid, 'execute')`)}
) as routine
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = any($1::text[]) and $2::text[] is not null
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
order by 1`
