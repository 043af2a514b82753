import { readFile } from 'node:fs/promises'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  outcome,
} from '../support/people/tenants.ts'
import { refusedWith } from '../support/rows/budgets.ts'
import { rolledBack } from '../support/stack/database.ts'
import { ownDatabase } from '../support/stack/own-database.ts'

// Of its own, because tests here change the bounds.
const database = ownDatabase(24)

interface Bound {
  table_name: string
  scope: string | null
  max_rows: number | null
  max_bytes: number | null
  max_rows_of_guest: number | null
  max_bytes_of_guest: number | null
  reason: string | null
}

const bounds = () => database()<Bound[]>`
  select table_name, scope, max_rows::float8, max_bytes::float8, reason,
    max_rows_of_guest::float8, max_bytes_of_guest::float8
  from private.table_bounds order by table_name`

const setBound = (tx: TransactionSql, table: string, rows: number, bytes = 1e9) => tx`
  update private.table_bounds set max_rows = ${rows}, max_bytes = ${bytes} where table_name = ${table}`

const addHosts = (tx: TransactionSql, ...hosts: string[]) =>
  tx`insert into client_mgmt.mcp_allowed_hosts ${tx(hosts.map((host) => ({ host: `${host}.example` })))}`

const addServer = (tx: TransactionSql, name: string, args: string[] = []) => tx`
  insert into public.mcp_configurations (name, type, command, args)
  values (${name}, 'stdio', 'run', ${tx.json(args)})`

test('every table has a bound, or a reason why it needs none; every bound is counted', async () => {
  const tables = await database()<{ name: string; triggers: string[] }[]>`
    select n.nspname || '.' || c.relname as name, array(
      select t.tgname::text from pg_trigger t
      where t.tgrelid = c.oid and t.tgfoid = 'private.count_quota()'::regprocedure and t.tgenabled = 'O'
      order by 1
    ) as triggers
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'client_mgmt', 'conversation', 'private') and c.relkind in ('r', 'p')
    order by 1`
  const known = await bounds()
  expect(known.map((bound) => bound.table_name)).toEqual(tables.map(({ name }) => name).sort())
  for (const { name, triggers } of tables) {
    const table = name.split('.')[1] ?? ''
    const counted = known.find((bound) => bound.table_name === name)?.max_rows !== null
    const three = ['delete', 'insert', 'update'].map((event) => `${table}_quota_${event}`)
    expect(triggers, name).toEqual(counted ? three : [])
  }
})

test('docs/limits.md says what the database does', async () => {
  const text = await readFile('docs/limits.md', 'utf8')
  const documented = [...text.matchAll(/^\| `(\w+\.\w+)` +\| (.+?) +\|$/gm)].map(
    ([, name, rest]) => [name, rest?.split('|').map((cell) => cell.trim())],
  )
  const number = (value: number) => value.toLocaleString('en')
  const line = (scope: string | null, rows: number | null, bytes: number | null) => [
    scope,
    number(rows ?? 0),
    number((bytes ?? 0) / 2 ** 20),
  ]
  const known = await bounds()
  const expected = known.map((bound) => [
    bound.table_name,
    bound.reason === null ? line(bound.scope, bound.max_rows, bound.max_bytes) : [bound.reason],
  ])
  const ofGuests = known
    .filter((bound) => bound.max_rows_of_guest !== null)
    .map((bound) => [
      bound.table_name,
      line('guest', bound.max_rows_of_guest, bound.max_bytes_of_guest),
    ])
  expect(ofGuests.length).toBeGreaterThan(0)
  expect(documented.sort()).toEqual([...expected, ...ofGuests].sort())
  // The second bound of files, of all members together.
  const [both] = await database()<{ rows: number; bytes: number }[]>`
    select organization_rows::float8 as rows, organization_bytes::float8 as bytes
    from private.table_bounds where organization_rows is not null`
  const { rows = 0, bytes = 0 } = both ?? {}
  expect(text.replaceAll('\n', ' ')).toContain(
    `have at most ${number(rows)} files of ${number(bytes / 2 ** 20)} MiB`,
  )
})

test('rows have a bound that the refusal names; a refusal writes nothing and a deletion gives back', async () => {
  await rolledBack(database(), async (tx) => {
    await setBound(tx, 'client_mgmt.mcp_allowed_hosts', 3)
    const owner = await addOwner(tx)
    const hosts = () => tx`
      select host from client_mgmt.mcp_allowed_hosts
      where organization_id = ${owner.organizationId} order by host`
    await as(tx, owner, (t) => addHosts(t, 'a', 'b'))
    const { message, hint } = await refusedWith(as(tx, owner, (t) => addHosts(t, 'c', 'd')))
    expect(message).toBe('quota_exceeded')
    expect(hint).toEqual({
      table: 'client_mgmt.mcp_allowed_hosts',
      scope: 'organization',
      bound: 'rows',
      allowed: 3,
    })
    expect(await hosts()).toHaveLength(2)
    await as(tx, owner, (t) => addHosts(t, 'c'))
    expect(await outcome(as(tx, owner, (t) => addHosts(t, 'd')))).toBe('PT409 quota_exceeded')
    await as(
      tx,
      owner,
      (t) => t`delete from client_mgmt.mcp_allowed_hosts where host = 'a.example'`,
    )
    await as(tx, owner, (t) => addHosts(t, 'd'))
    expect(await outcome(as(tx, owner, (t) => addHosts(t, 'e')))).toBe('PT409 quota_exceeded')

    // Another organization has its own, and the database owner is counted but not refused.
    const other = await addOwner(tx)
    await as(tx, other, (t) => addHosts(t, 'a', 'b', 'c'))
    await tx`
      insert into client_mgmt.mcp_allowed_hosts (organization_id, host)
      values (${owner.organizationId}, 'z.example')`
    expect(await hosts()).toHaveLength(4)
  })
})

test('bytes have a bound, also where a row only becomes longer', async () => {
  await rolledBack(database(), async (tx) => {
    await setBound(tx, 'public.mcp_configurations', 100, 20_000)
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    await as(tx, member, (t) => addServer(t, 'one', ['x'.repeat(10_000)]))
    const { hint } = await refusedWith(
      as(tx, member, (t) => addServer(t, 'two', ['x'.repeat(10_000)])),
    )
    expect(hint).toMatchObject({ scope: 'member', bound: 'bytes', allowed: 20_000 })
    await as(tx, member, (t) => addServer(t, 'two'))
    const lengthen = (t: TransactionSql) => t`
      update public.mcp_configurations set args = ${t.json(['y'.repeat(10_000)])} where name = 'two'`
    expect(await outcome(as(tx, member, lengthen))).toBe('PT409 quota_exceeded')
    // A colleague has a quota of their own.
    await as(tx, owner, (t) => addServer(t, 'three', ['x'.repeat(10_000)]))
    await as(
      tx,
      member,
      (t) => t`update public.mcp_configurations set args = '[]' where name = 'one'`,
    )
    await as(tx, member, lengthen)
  })
})

const addPolicies = (tx: TransactionSql, server: string, from: number, to: number) => tx`
  insert into client_mgmt.mcp_tool_policies (mcp_configuration_id, tool_name, policy)
  select ${server}, 'tool ' || n, 'auto' from generate_series(${from}::integer, ${to}::integer) n`

test('one MCP server has at most 513 policies, so no member uses up what the organization may have', async () => {
  await rolledBack(database(), async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    await as(tx, member, (t) => addServer(t, 'one'))
    await as(tx, member, (t) => addServer(t, 'two'))
    const [one = '', two = ''] = (
      await tx<{ id: string }[]>`
        select id::text from public.mcp_configurations where user_id = ${member.id} order by id`
    ).map(({ id }) => id)
    await as(tx, member, (t) => addPolicies(t, one, 1, 500))
    const { message, hint } = await refusedWith(
      as(tx, member, (t) => addPolicies(t, one, 501, 514)),
    )
    expect(message).toBe('quota_exceeded')
    expect(hint).toEqual({
      table: 'client_mgmt.mcp_tool_policies',
      scope: 'configuration',
      bound: 'rows',
      allowed: 513,
    })
    await as(tx, member, (t) => addPolicies(t, one, 501, 513))
    expect(await outcome(as(tx, member, (t) => addPolicies(t, one, 514, 514)))).toBe(
      'PT409 quota_exceeded',
    )
    await as(tx, member, (t) => addPolicies(t, two, 1, 513))
  })
})

test('a member without a permission to manage writes no table that is bounded for the organization only', async () => {
  const tables = await database()<{ name: string; permissions: string[]; of_member: string[] }[]>`
    select b.table_name as name, private.role_permissions('member') as of_member, array(
      select permission from pg_trigger t,
        regexp_split_to_table(encode(t.tgargs, 'escape'), '\\\\000') permission
      where t.tgrelid = b.table_name::regclass and t.tgfoid = 'private.require_permission()'::regprocedure
        and permission <> ''
    ) as permissions
    from private.table_bounds b
    where b.scope = 'organization' and exists (
      select 1 from unnest('{insert,update}'::text[]) privilege
      where has_any_column_privilege('authenticated', b.table_name, privilege)
    )
    order by 1`
  expect(tables.length).toBeGreaterThan(10)
  const open = tables.filter(
    ({ permissions, of_member }) =>
      permissions.length === 0 || permissions.some((name) => of_member.includes(name)),
  )
  // Bounded per MCP server and per member too: see the test before, and that of personas.
  expect(open.map(({ name }) => name)).toEqual([
    'client_mgmt.mcp_tool_policies',
    'conversation.participants',
  ])
})

test('of 24 at once exactly as many are let in as the bound allows', async () => {
  const sql = database()
  await sql.begin((tx) => setBound(tx, 'client_mgmt.mcp_allowed_hosts', 7))
  const owner = await sql.begin((tx) => addOwner(tx))
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, n) =>
      outcome(committedAs(sql, owner, (t) => addHosts(t, `h${n}`))),
    ),
  )
  expect(answers.filter((answer) => answer === 'allowed')).toHaveLength(7)
  expect(answers.filter((answer) => answer === 'PT409 quota_exceeded')).toHaveLength(17)
})

/** What the counters say, and what is there. */
async function compared(tx: TransactionSql, { organizationId }: Member) {
  const counted = await tx`
    select user_id, (rows - coalesce((select sum(r.rows) from private.quota_returns r where r.quota_use_id = u.id), 0))::integer as rows,
      (bytes - coalesce((select sum(r.bytes) from private.quota_returns r where r.quota_use_id = u.id), 0))::integer as bytes
    from private.quota_use u
    where u.organization_id = ${organizationId} and u.table_name = 'public.mcp_configurations' order by user_id`
  const real = await tx`
    select user_id, count(*)::integer as rows, sum(octet_length(to_jsonb(c)::text))::integer as bytes
    from public.mcp_configurations c where c.organization_id = ${organizationId}
    group by user_id order by user_id`
  return { counted: [...counted], real: [...real] }
}

test('the counters are what is there, after every kind of change', async () => {
  await rolledBack(database(), async (tx) => {
    await tx`set local timezone = 'UTC'`
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    for (const person of [owner, member]) {
      for (const name of ['a', 'b', 'c']) await as(tx, person, (t) => addServer(t, name))
    }
    await as(
      tx,
      member,
      (t) => t`update public.mcp_configurations set args = '["long", "er"]' where name <> 'a'`,
    )
    await as(tx, owner, (t) => t`delete from public.mcp_configurations where name = 'b'`)
    const { counted, real } = await compared(tx, owner)
    expect(real).toHaveLength(2)
    expect(counted).toEqual(real)
  })
})

test('many deletions leave one return for each counter, which a refused statement adds up', async () => {
  await rolledBack(database(), async (tx) => {
    const owner = await addOwner(tx)
    const names = ['a', 'b', 'c', 'd']
    for (const name of names) await as(tx, owner, (t) => addServer(t, name))
    for (const name of names) {
      await as(tx, owner, (t) => t`delete from public.mcp_configurations where name = ${name}`)
    }
    const returns = await tx`
      select r.rows::integer from private.quota_returns r
      join private.quota_use u on u.organization_id = r.organization_id and u.id = r.quota_use_id
      where r.organization_id = ${owner.organizationId} and u.table_name = 'public.mcp_configurations'`
    expect([...returns]).toEqual([{ rows: names.length }])
  })
})

test('deleting an organization leaves no counter', async () => {
  await rolledBack(database(), async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, (t) => addServer(t, 'one'))
    await tx`delete from public.organizations where id = ${owner.organizationId}`
    const left = await tx`
      select 1 from private.quota_use where organization_id = ${owner.organizationId}`
    expect(left).toHaveLength(0)
  })
})
