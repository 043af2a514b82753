import { beforeAll, describe, expect, test } from 'vitest'
import { dumpObjects } from '../../dev/check/catalog-dump.ts'
import { inspectDatabase } from '../../ops/inspect-database.ts'
import { type Finding, inspectImage, inspectProject } from '../../ops/inspect-project.ts'
import { addAccount } from '../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
const failed = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state === 'failed').map(({ check }) => check)

test('a project that runs is well, and one whose parts are elsewhere is not', async () => {
  const { url, publishableKey } = useStack()
  const findings = await inspectProject(url, publishableKey)
  expect(failed(findings)).toEqual([])
  expect(findings).toHaveLength(9)
  const nowhere = await inspectProject(`${url}/none`, publishableKey)
  expect(failed(nowhere)).toEqual(nowhere.map(({ check }) => check))
})

describe('a database', () => {
  let expected: string[]
  let versions: string[]
  beforeAll(async () => {
    expected = await dumpObjects(sql)
    const rows = await sql<
      { version: string }[]
    >`select version from supabase_migrations.schema_migrations`
    versions = rows.map(({ version }) => version)
  })

  test('as the migrations made it is well', async () => {
    expect(failed(await inspectDatabase(sql, expected, versions))).toEqual([])
  })

  const objects = 'objects and grants as the migrations make them'
  const changes: [string, string, string][] = [
    ['a grant too many', 'grant delete on public.organizations to authenticated', objects],
    ['a grant too few', 'revoke select on public.agents from authenticated', objects],
    ['a policy that is gone', 'drop policy select_self on public.users', objects],
    ['a trigger that is off', 'alter table public.users disable trigger user', objects],
    ['a function opened', 'grant execute on function private.make_accounts(uuid) to anon', objects],
    [
      'a published table',
      'create publication realtime for table public.chat_messages',
      'no table is published for postgres_changes',
    ],
    [
      'a file that was not applied',
      'delete from supabase_migrations.schema_migrations where version = (select max(version) from supabase_migrations.schema_migrations)',
      'migrations applied',
    ],
  ]
  test.each(changes)('with %s is not', async (_, statement, check) => {
    const findings = await rolledBack(sql, async (tx) => {
      await tx.unsafe(statement)
      return inspectDatabase(tx as never, expected, versions)
    })
    expect(failed(findings)).toEqual([check])
  })

  test('whose hook hears of no sign-in is not', async () => {
    const findings = await rolledBack(sql, async (tx) => {
      const { id } = await addAccount(tx)
      await tx`update auth.users set last_sign_in_at = now() + interval '1 day' where id = ${id}`
      return inspectDatabase(tx as never, expected, versions)
    })
    expect(failed(findings)).toEqual(['the token hook is on'])
  })
})

test.each([
  ['17.6.1.155', 'ok'],
  ['17.6.2.1', 'ok'],
  ['18.1.0.2', 'ok'],
  ['17.6.1.154', 'failed'],
  ['17.4.1.200', 'failed'],
  ['15.8.1.200', 'failed'],
  ['unknown', 'unknown'],
])('image %s is %s', (version, state) => {
  expect(inspectImage(version).state).toBe(state)
})
