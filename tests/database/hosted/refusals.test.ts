import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { dumpObjects } from '../../../dev/check/catalog-dump.ts'
import { outcome } from '../../support/people/tenants.ts'
import { rolledBack } from '../../support/stack/database.ts'
import { deploy, type Hosted, hostedServer, olderDefaults } from '../../support/stack/hosted.ts'

const project = hostedServer()

const objects = `
  create table public.users ();
  create table public.agents ();
  create view public.v_agent_status as select 1 as a;
  create type public.models as enum ();
  create schema private;
  create schema conversation;
  create table public.people (email text);
  create index organizations_suspended_idx on public.people (email);
  create function public.custom_access_token_hook(event jsonb) returns jsonb language sql as 'select event';
  create function public.has_permission(text) returns text language sql as 'select null';
  -- With other arguments than ours.
  create function public.create_organization(title text) returns text language sql as 'select null';`

test.each([
  [
    'objects',
    objects,
    'migrations_need_free_names',
    [
      'names: public.agents, public.create_organization(), public.custom_access_token_hook(), ' +
        'public.has_permission(), public.models, public.organizations_suspended_idx, public.users, ' +
        'public.v_agent_status, schema conversation, schema private.',
    ],
  ],
  [
    'pgcrypto',
    'drop extension pgcrypto; create extension pgcrypto with schema public',
    'migrations_need_pgcrypto_in_extensions',
    ['stands in schema public'],
  ],
  [
    'a function before each request',
    `alter role authenticator in database a_function_before_each_request
      set pgrst.db_pre_request = 'public.check_tenant'`,
    'migrations_need_the_pre_request',
    ['public.check_tenant'],
  ],
])(
  '%s of the project’s own: found before the first statement',
  async (name, setUp, code, found) => {
    const database = await project(name.replaceAll(' ', '_'), olderDefaults)
    await database.superuser.unsafe(setUp)
    const catalog = () =>
      Promise.all([
        dumpObjects(database.superuser),
        database.superuser`select nspname from pg_namespace where nspname <> 'supabase_migrations' order by 1`,
        database.superuser`select defaclrole, defaclnamespace, defaclobjtype, defaclacl::text from pg_default_acl order by 1, 2, 3`,
        database.superuser`select setdatabase, setrole, setconfig from pg_db_role_setting order by 1, 2`,
        database.superuser`select count(*) from pg_roles`,
      ])
    const before = await catalog()
    const failure = await deploy(database).then(String, String)
    expect(failure).toContain(code)
    for (const each of found) expect(failure).toContain(each)
    expect(await catalog()).toEqual(before)
  },
)

test('a function before each request is found where it is set for every database', async () => {
  const database = await project('requests')
  const set = `alter role authenticator set pgrst.db_pre_request`
  await database.superuser.unsafe(`${set} = 'public.check_tenant'`)
  try {
    expect(await deploy(database).then(String, String)).toContain('public.check_tenant')
  } finally {
    await database.superuser`alter role authenticator reset pgrst.db_pre_request`
  }
})

const preconditions = readFileSync('supabase/migrations/20261120000000_preconditions.sql', 'utf8')
let empty: Hosted
beforeAll(async () => {
  empty = await project('empty')
})

// PostgreSQL itself looks for a function in the schemas of the path in turn.
const olderServer = `
  create schema older;
  create function older.current_setting(name text) returns text language sql
    as $$ select case name when 'server_version_num' then '140012' else '14.12' end $$;
  set local search_path = older, pg_catalog`

test.each([
  ['0A000 migrations_need_postgres_15', olderServer],
  ['42501 migrations_need_bypassrls', 'create role plain; set local role plain'],
  [
    '42501 migrations_need_authenticator',
    'create role far_reaching bypassrls; set local role far_reaching',
  ],
  ['allowed', 'set local role postgres'],
])('the preconditions say %s', async (said, setUp) => {
  const result = await rolledBack(empty.superuser, async (tx) => {
    await tx.unsafe(setUp).simple()
    return outcome(tx.savepoint((inner) => inner.unsafe(preconditions).simple()))
  })
  expect(result).toBe(said)
})
