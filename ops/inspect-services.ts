import type { Sql } from 'postgres'
import { Unknown } from './finding.ts'

const request = 'pgrst.db_pre_request'
const plans = 'pgrst.db_plan_enabled'

/** PostgREST reads its settings from its role; those of the database come before those of all. */
export async function inspectRequests(sql: Sql): Promise<string[] | Unknown> {
  const settings = await sql<{ name: string; value: string }[]>`
    select distinct on (1) split_part(s.line, '=', 1) as name,
      substr(s.line, strpos(s.line, '=') + 1) as value
    from pg_catalog.pg_db_role_setting r
    join pg_catalog.pg_database d on d.datname = current_database() and r.setdatabase in (0, d.oid),
      unnest(r.setconfig) s(line)
    where r.setrole = 'authenticator'::regrole
    order by 1, r.setdatabase desc`
  const valueOf = (name: string) => settings.find((setting) => setting.name === name)?.value
  const called = valueOf(request)
  const faults = [
    ...(called ? [] : [`${request} of authenticator is not set`]),
    ...(valueOf(plans) === 'false' ? [] : [`${plans} of authenticator is not false`]),
  ]
  if (faults.length > 0 || called === 'private.check_request') return faults
  return new Unknown([`${called} must call private.check_request() first`])
}

/** Files are private by the bucket, and by policies and triggers on Storage's table. */
export async function inspectFiles(sql: Sql): Promise<string[] | Unknown> {
  const [storage] = await sql<{ there: boolean }[]>`
    select to_regclass('storage.objects') is not null as there`
  if (storage?.there !== true) return new Unknown(['the database has no table storage.objects'])
  const [bucket] = await sql<{ public: boolean; limited: boolean }[]>`
    select public, file_size_limit <= 8388608 and cardinality(allowed_mime_types) > 0 as limited
    from storage.buckets where id = 'attachments'`
  if (bucket === undefined)
    return ['the bucket attachments is missing: docs/files.md says what to run']
  const rules = await sql<{ name: string }[]>`
    select polname::text as name from pg_catalog.pg_policy
    where polrelid = to_regclass('storage.objects')
    union all
    select tgname::text from pg_catalog.pg_trigger
    where tgrelid = to_regclass('storage.objects') and tgenabled in ('O', 'A')`
  const names = rules.map(({ name }) => name)
  const missing = fileRules.filter((rule) => !names.includes(rule))
  return [
    ...(bucket.public ? ['the bucket attachments is public'] : []),
    ...(bucket.limited ? [] : ['the bucket attachments takes any type or size']),
    ...missing.map(
      (rule) => `${rule} on storage.objects is missing: docs/files.md says what to run`,
    ),
  ]
}

const fileRules = [
  'select_attachment_reader',
  'insert_attachment_self',
  'delete_attachment_self',
  'attachments_check',
  'attachments_check_move',
  'attachments_keep',
  'attachments_forget',
]

/** Who may join a private channel is a policy on Realtime's table. */
export async function inspectHearers(sql: Sql): Promise<string[] | Unknown> {
  const [table] = await sql<{ guarded: boolean }[]>`
    select relrowsecurity as guarded from pg_catalog.pg_class
    where oid = to_regclass('realtime.messages')`
  if (table === undefined) return ['live_updates_are_off: docs/live-updates.md says what to run']
  if (!table.guarded) return ['realtime.messages has no row-level security']
  const policies = await sql<{ name: string; condition: string; opens: boolean }[]>`
    select polname as name, coalesce(pg_get_expr(polqual, polrelid), '') as condition,
      polpermissive and polcmd in ('r', '*') as opens
    from pg_catalog.pg_policy where polrelid = to_regclass('realtime.messages') order by 1`
  const ours = policies.find(({ name }) => name === 'select_hearer')
  if (ours?.condition.includes('private.may_hear(') !== true) {
    return ['select_hearer on realtime.messages is missing: docs/live-updates.md says what to run']
  }
  const others = policies.filter((policy) => policy !== ours && policy.opens)
  if (others.length === 0) return []
  return new Unknown(
    others.map(
      ({ name, condition }) =>
        `${name} opens channels too: it must not match topics organization:… and session:…: ${condition}`,
    ),
  )
}

/** A job of its own for each clean-up, or one that calls the function. */
export async function inspectCleanUps(sql: Sql): Promise<string[] | Unknown> {
  const elsewhere = new Unknown(['no job here: see that a scheduler calls session-cleanup'])
  const [cron] = await sql<{ there: boolean }[]>`
    select to_regclass('cron.job') is not null as there`
  if (cron?.there !== true) return elsewhere
  const jobs = await sql<{ jobname: string | null; command: string }[]>`
    select jobname, command from cron.job where active and database = current_database()`
  if (jobs.some(({ command }) => command.includes('/functions/v1/session-cleanup'))) return []
  const tasks = await sql<{ task: string }[]>`select task from public.clean_ups() order by 1`
  const missing = tasks.filter(
    ({ task }) => !jobs.some((job) => job.jobname === `colloquy-${task}`),
  )
  if (missing.length === tasks.length) return elsewhere
  return missing.map(({ task }) => `colloquy-${task} does not run`)
}
