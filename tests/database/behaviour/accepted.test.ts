import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { root } from '../../../dev/check/command.ts'
import { addMember, addOwner, as } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { behaviour } from './accepted.ts'

const sql = connectOwner()

/** `schema.table.column`, and `schema.table.column.key`, with the test that names each. */
const named = Object.entries(behaviour).flatMap(([file, tests]) =>
  Object.entries(tests).flatMap(([title, lists]) =>
    lists.flatMap((list) => {
      const [place = '', names = ''] = list.split(': ')
      return names.split(' ').map((name) => ({ file, title, what: `${place}.${name}` }))
    }),
  ),
)

/** Every column that a client may write, and every key that a JSON column of settings takes. */
async function accepted(): Promise<string[]> {
  const columns = await sql<{ what: string }[]>`
    select format('%s.%s.%s', n.nspname, c.relname, a.attname) as what
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname in ('public', 'client_mgmt', 'conversation') and c.relkind = 'r'
      and (has_column_privilege('authenticated', c.oid, a.attnum, 'insert')
        or has_column_privilege('authenticated', c.oid, a.attnum, 'update'))`
  const keys = await sql<{ what: string }[]>`
    select format('%s.%s.%s.%s', n.nspname, c.relname, g.args[1], key) as what
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select string_to_array(encode(t.tgargs, 'escape'), '\\000') as args
    ) g
    cross join lateral unnest(
      case when c.relname = 'organizations' then private.parameter_names() else '{}' end || g.args[2:]
    ) key
    where t.tgfoid = 'private.check_settings()'::regprocedure and key <> ''
      -- The keys of a model's config are those of its agent's, and the parameters everywhere the same.
      and c.relname <> 'models'`
  return [...columns, ...keys].map(({ what }) => what)
}

test('every column and setting that a client may write names the test in which it changes something', async () => {
  const all = await accepted()
  expect(all.length).toBeGreaterThan(100)
  expect(all.filter((what) => !named.some((one) => one.what === what))).toEqual([])
})

test('the table names nothing that a client may not write', async () => {
  const all = await accepted()
  expect(named.filter(({ what }) => !all.includes(what))).toEqual([])
})

test('every test that the table names exists', () => {
  const absent = named.filter(({ file, title }) => {
    const place = path.join(root, 'tests', file)
    return !existsSync(place) || !readFileSync(place, 'utf8').includes(`'${title}'`)
  })
  expect(absent).toEqual([])
})

test('a session keeps its own id, title, project and agent, and leaves the lists when it is closed', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addAgent(tx, owner)
    const id = crypto.randomUUID()
    const [project] = await as(
      tx,
      owner,
      (t) => t<{ id: string }[]>`
        insert into client_mgmt.projects (name) values ('p') returning id`,
    )
    await as(
      tx,
      owner,
      (t) => t`
        insert into public.chat_sessions (id, title, project_id, agent_id)
        values (${id}, 'Mine', ${project?.id ?? null}, ${agent.id})`,
    )
    await as(tx, owner, begin({ session_id: id }))
    const [execution] = await tx`
      select project_id, agent_id from public.agent_executions where session_id = ${id}`
    expect(execution).toEqual({ project_id: project?.id, agent_id: String(agent.id) })
    const listed = async () =>
      as(tx, owner, (t) => t`select title from public.v_recent_sessions where id = ${id}`)
    expect([...(await listed())]).toEqual([{ title: 'Mine' }])
    await as(
      tx,
      owner,
      (t) => t`update public.chat_sessions set status = 'closed' where id = ${id}`,
    )
    expect(await listed()).toHaveLength(0)
  })
})

test('people see what an agent, a model and a member are called', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const { id } = await addAgent(tx, owner)
    await as(tx, owner, async (t) => {
      await t`update public.agents set description = 'Helps' where id = ${id}`
      await t`
        update public.models set display_name = 'Fast', description = 'Small' where agent_id = ${id}`
      await t`update public.users set display_name = 'Ada'`
    })
    const seen = await as(
      tx,
      member,
      (t: TransactionSql) => t`
      select a.description, m.display_name, m.description as of_model, o.display_name as person
      from public.agents a
      join public.models m on m.agent_id = a.id
      cross join public.organization_members() o
      where a.id = ${id} and o.user_id = ${owner.id}`,
    )
    expect([...seen]).toEqual([
      { description: 'Helps', display_name: 'Fast', of_model: 'Small', person: 'Ada' },
    ])
  })
})
