import { expect, test } from 'vitest'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()

/** Schemas of ours; the last one is not exposed. */
const schemas = ['public', 'client_mgmt', 'conversation', 'private']

/** The first column of a catalog query that names offenders. */
async function offenders(query: string): Promise<unknown[]> {
  const rows = await sql.unsafe<Record<string, unknown>[]>(query, [schemas])
  return rows.flatMap((row) => Object.values(row))
}

// The verification queries of the consolidated schema.

test('public has exactly its 21 tables', async () => {
  const [count] = await sql`
    select count(*)::integer as tables from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`
  expect(count?.tables).toBe(21)
  const rows = await sql`
    select table_name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE' order by table_name`
  expect(rows.map((row) => String(row.table_name))).toEqual([
    'admin_audit_log',
    'agent_executions',
    'agent_health',
    'agent_metrics',
    'agents',
    'audit_logs',
    'chat_messages',
    'chat_sessions',
    'circuit_breaker_state',
    'client_schema_preferences',
    'client_schemas',
    'mcp_configurations',
    'mcp_oauth_tokens',
    'models',
    'oauth_states',
    'organizations',
    'platform_admins',
    'preference_types',
    'system_prompts',
    'user_sessions',
    'users',
  ])
})

test('public has exactly its 4 views', async () => {
  const rows = await sql`
    select table_name from information_schema.views where table_schema = 'public' order by 1`
  expect(rows.map((row) => String(row.table_name))).toEqual([
    'active_user_sessions',
    'effective_mcp_configurations',
    'v_agent_status',
    'v_recent_sessions',
  ])
})

test('the platform has agents ccrouter and droid with two models each', async () => {
  const agents = await sql`
    select name, config from public.agents where organization_id is null order by name`
  expect(agents.map((row) => [row.name, row.config] as unknown)).toEqual([
    ['ccrouter', { provider: 'vertex-ai', location: 'us-central1' }],
    ['droid', { provider: 'openrouter' }],
  ])
  const models = await sql`
    select a.name as agent, m.name, m.model_id from public.models m
    join public.agents a on a.id = m.agent_id
    where m.organization_id is null order by a.name, m.priority`
  expect(models.map((row) => [row.agent, row.name, row.model_id] as unknown)).toEqual([
    ['ccrouter', 'gemini-1.5-pro', 'gemini-1.5-pro'],
    ['ccrouter', 'gemini-1.5-flash', 'gemini-1.5-flash'],
    ['droid', 'claude-3-opus', 'anthropic/claude-3-opus'],
    ['droid', 'gpt-4', 'openai/gpt-4'],
  ])
})

test('public has at least 60 indexes and 30 policies', async () => {
  const [row] = await sql`
    select (select count(*)::integer from pg_indexes where schemaname = 'public') as indexes,
      (select count(*)::integer from pg_policies where schemaname = 'public') as policies`
  expect(row?.indexes).toBeGreaterThanOrEqual(60)
  expect(row?.policies).toBeGreaterThanOrEqual(30)
})

// Rules for every object, from the catalog: a new one is covered by existing.

test('the catalog queries see the objects they judge', async () => {
  const [row] = await sql`
    select (select count(*)::integer from pg_class c
        where c.relnamespace::regnamespace::text = any(${schemas}) and c.relkind = 'r') as tables,
      (select count(*)::integer from pg_proc p
        where p.pronamespace::regnamespace::text = any(${schemas})) as functions`
  expect(row?.tables).toBeGreaterThan(40)
  expect(row?.functions).toBeGreaterThan(80)
})

test('every table has a comment and enables and forces row-level security', async () => {
  expect(
    await offenders(`
      select c.oid::regclass::text from pg_class c
      where c.relnamespace::regnamespace::text = any($1) and c.relkind in ('r', 'p')
        and (obj_description(c.oid, 'pg_class') is null
          or not c.relrowsecurity or not c.relforcerowsecurity)`),
  ).toEqual([])
})

test('every function has an empty search_path and a comment', async () => {
  expect(
    await offenders(`
      select p.oid::regprocedure::text from pg_proc p
      where p.pronamespace::regnamespace::text = any($1)
        and (not 'search_path=""' = any(coalesce(p.proconfig, '{}'))
          or obj_description(p.oid, 'pg_proc') is null)`),
  ).toEqual([])
})

test('every definer function begins with the reason why it is one', async () => {
  expect(
    await offenders(`
      select p.oid::regprocedure::text from pg_proc p
      where p.pronamespace::regnamespace::text = any($1)
        and p.prosecdef and p.prosrc !~ '^\\s*-- Definer: \\S'`),
  ).toEqual([])
})

test('no API role but service_role can call a definer function of an exposed schema', async () => {
  expect(
    await offenders(`
      select p.oid::regprocedure || ' ' || r from pg_proc p, unnest('{anon,authenticated}'::text[]) r
      where p.pronamespace::regnamespace::text = any($1) and p.pronamespace <> 'private'::regnamespace
        and p.prosecdef and has_function_privilege(r, p.oid, 'execute')`),
  ).toEqual([])
})

// Their organization_id is null for the platform's own rows, or is not a tenant at all (design §2).
const platformWide = `'{public.agents,public.models,public.agent_health,public.agent_metrics,
  public.circuit_breaker_state,public.system_prompts,client_mgmt.system_prompt_versions,public.users,
  conversation.lens_prototypes,conversation.lens_versions,client_mgmt.model_prices}'::regclass[]`
const tenantTables = `
  select c.oid from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
  where c.relnamespace::regnamespace::text = any($1) and c.relkind in ('r', 'p')
    and c.oid <> all (${platformWide})`

test('every tenant table has organization_id bigint not null and first in its primary key', async () => {
  expect(
    await offenders(`
      select t.oid::regclass::text from (${tenantTables}) t
      join pg_attribute a on a.attrelid = t.oid and a.attname = 'organization_id'
      left join pg_constraint k on k.conrelid = t.oid and k.contype = 'p'
      where not a.attnotnull or a.atttypid <> 'bigint'::regtype
        or k.conkey[1] is distinct from a.attnum`),
  ).toEqual([])
})

test('every foreign key between tenant tables is composite and starts with organization_id', async () => {
  expect(
    await offenders(`
      select k.conrelid::regclass || '.' || k.conname from pg_constraint k
      join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'organization_id'
      where k.contype = 'f' and k.confrelid in (${tenantTables})
        and (k.conkey[1] <> a.attnum or cardinality(k.conkey) < 2)`),
  ).toEqual([])
})
