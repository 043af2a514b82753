import type { TransactionSql } from 'postgres'
import { beforeAll, expect, test } from 'vitest'
import { content } from '../../../dev/check/scratch-database.ts'
import { readMigrations } from '../../../dev/postgres/migration-files.ts'
import { inspectDatabase } from '../../../ops/inspect-database.ts'
import { dumpModel, inspectDeployment } from '../../../ops/inspect-deployment.ts'
import type { Finding } from '../../../ops/finding.ts'
import { addAccount } from '../../support/people/tenants.ts'
import { rolledBack } from '../../support/stack/database.ts'
import { deploy, type Hosted, hostedServer, olderDefaults } from '../../support/stack/hosted.ts'

const project = hostedServer()
const versions = readMigrations(content.migrationsDirectory).map(({ version }) => version)

/** What the platform has besides, and what an application of the project has. */
const besides = `
  create function extensions.grant_pg_cron_access() returns event_trigger language plpgsql as 'begin end';
  create event trigger issue_pg_cron_access on ddl_command_end execute function extensions.grant_pg_cron_access();
  set role postgres;
  create table public.profiles (id uuid primary key, name text);
  alter table public.profiles enable row level security;
  create view public.names as select name from public.profiles;
  create function public.handle_new_user() returns trigger language plpgsql security definer
    set search_path = '' as 'begin insert into public.profiles (id) values (new.id); return new; end';
  create trigger on_auth_user_created after insert on auth.users
    for each row execute function public.handle_new_user();
  create publication own for table public.profiles;
  insert into auth.users (id, last_sign_in_at) values (gen_random_uuid(), now() - interval '1 day');
  reset role;`

let database: Hosted
let model: string[]
let untouched: Finding[]
beforeAll(async () => {
  database = await project('inspected', olderDefaults + besides)
  await deploy(database)
  // For indexes of the project's own are no fault.
  await database.superuser`create index own_idx on public.users (created_at)`
  model = await dumpModel()
  untouched = await inspect(database.superuser as never)
}, 180_000)

const inspect = (tx: TransactionSql) =>
  inspectDatabase(tx as never, () => Promise.resolve(model), versions)
const notOk = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state !== 'ok').map(({ check, state }) => `${state}: ${check}`)
const hook = 'the token hook is on'
const cleanUps = 'clean-ups are scheduled'

test('a project of the platform with people and an application of its own is well', () => {
  // The server has no pg_cron, and no person has signed in since.
  expect(untouched.filter(({ state }) => state === 'failed')).toEqual([])
  expect(notOk(untouched)).toEqual([`unknown: ${cleanUps}`, `unknown: ${hook}`])
})

test('the tables of that application keep their policies', async () => {
  const policies = await database.superuser`
    select policyname from pg_policies where tablename = 'profiles'`
  expect([...policies]).toEqual([])
})

const objects = 'failed: objects and grants as the migrations make them'
const views = 'failed: no view shows rows past their policies'
const requests = 'PostgREST checks each request'
const hearers = 'Realtime asks the policies of sessions'
const jobs = `create schema cron;
  create table cron.job as select 'colloquy-' || task as jobname, 'select 1' as command, true as active,
    current_database() as database from public.clean_ups()`
const signIn = `update auth.users set last_sign_in_at = now() + interval '1 day'`

const changes: [string, string, string][] = [
  ['a grant too many', 'grant delete on public.organizations to authenticated', objects],
  ['a grant too few', 'revoke select on public.agents from authenticated', objects],
  ['a policy that is gone', 'drop policy select_self on public.users', objects],
  ['a policy too many', 'create policy own on public.users to anon using (true)', objects],
  ['a trigger that is off', 'alter table public.users disable trigger user', objects],
  ['no trigger on accounts', 'drop trigger colloquy_account_created on auth.users', objects],
  ['a function opened', 'grant execute on function private.make_accounts(uuid) to anon', objects],
  ['a table among ours', 'create table private.own ()', objects],
  [
    'a view past the policies',
    'create view public.own as select id from public.users; grant select on public.own to anon',
    views,
  ],
  [
    'a published table',
    'create publication realtime for table public.chat_messages',
    'failed: no table is published for postgres_changes',
  ],
  [
    'a file that was not applied',
    'delete from supabase_migrations.schema_migrations where version = (select max(version) from supabase_migrations.schema_migrations)',
    'failed: migrations applied',
  ],
  [
    'no record of files',
    'drop table supabase_migrations.schema_migrations',
    'failed: migrations applied',
  ],
  [
    'no check of requests',
    'alter role authenticator reset pgrst.db_pre_request',
    `failed: ${requests}`,
  ],
  [
    'plans allowed',
    `alter role authenticator in database inspected set pgrst.db_plan_enabled = 'true'`,
    `failed: ${requests}`,
  ],
  [
    'another check of requests',
    `alter role authenticator in database inspected set pgrst.db_pre_request = 'public.own'`,
    `unknown: ${requests}`,
  ],
  ['no policy of channels', 'drop policy select_hearer on realtime.messages', `failed: ${hearers}`],
  ['no Realtime', 'drop schema realtime cascade', `failed: ${hearers}`],
  [
    'open channels',
    'alter table realtime.messages disable row level security',
    `failed: ${hearers}`,
  ],
  [
    'channels of its own',
    'create policy own on realtime.messages for select to authenticated using (true)',
    `unknown: ${hearers}`,
  ],
  [
    'a clean-up that does not run',
    `${jobs}; update cron.job set active = false where jobname like '%sessions'`,
    `failed: ${cleanUps}`,
  ],
  ['a hook that hears of no sign-in', signIn, `failed: ${hook}`],
]
test.each(changes)('one with %s is not', async (_, statements, finding) => {
  const findings = await rolledBack(database.superuser, async (tx) => {
    await tx.unsafe(statements).simple()
    return inspect(tx)
  })
  const before = new Set(notOk(untouched))
  expect(notOk(findings).filter((line) => !before.has(line))).toEqual([finding])
})

test('one whose clean-ups run and whose hook hears of a sign-in is well', async () => {
  const findings = await rolledBack(database.superuser, async (tx) => {
    await tx.unsafe(jobs).simple()
    const { id } = await addAccount(tx)
    await tx`update auth.users set last_sign_in_at = now() + interval '1 day' where id = ${id}`
    await tx`update public.users set last_login_at = now() + interval '1 day' where id = ${id}`
    return inspect(tx)
  })
  expect(notOk(findings)).toEqual([])
})

test('a database that cannot be reached is one finding', async () => {
  const findings = await inspectDeployment('postgresql://postgres@127.0.0.1:1/postgres')
  expect(notOk(findings)).toEqual(['failed: the database answers'])
})
