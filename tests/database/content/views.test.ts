import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as } from '../../support/people/tenants.ts'
import { addBlock } from '../../support/rows/content.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

test.each([
  [
    'conversation.participants',
    'participant_users',
    ['email', 'auth_info', 'client_names', 'role'],
  ],
  ['conversation.blocks', 'project_blocks', ['project_name', 'client_name', 'turn_count']],
])('the columns of %s are all columns of %s', async (table, view, more) => {
  const [row] = await sql<{ table: string[]; view: string[] }[]>`
    select
      (select array_agg(attname::text order by attnum) from pg_attribute
        where attrelid = ${table}::regclass and attnum > 0 and not attisdropped) as table,
      (select array_agg(attname::text order by attnum) from pg_attribute
        where attrelid = ${`conversation.${view}`}::regclass and attnum > 0) as view`
  expect(row?.view).toEqual([...(row?.table ?? []), ...more])
})

test('a participant who is a member has an address for members, and its account for itself', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`update public.users set metadata = '{"a": 1}' where id = ${owner.id}`
    const { participant } = await addBlock(tx, owner, 1)
    const member = await addMember(tx, owner.organizationId)
    const read = (t: TransactionSql) => t`
      select id, email, auth_info, client_names, role from conversation.participant_users`
    const [name] =
      await tx`select name from public.organizations where id = ${owner.organizationId}`
    const seen = {
      id: String(participant),
      email: owner.email,
      client_names: [name?.name],
      role: 'owner',
    }
    expect([...(await as(tx, owner, read))]).toEqual([{ ...seen, auth_info: { a: 1 } }])
    expect([...(await as(tx, member, read))]).toEqual([{ ...seen, auth_info: null }])
    expect([...(await as(tx, await addOwner(tx), read))]).toEqual([])
  })
})

test('a block has the names of its project and its organization', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { block, project } = await addBlock(tx, owner, 1)
    const [names] = await tx`
      select p.name as project_name, o.name as client_name
      from client_mgmt.projects p, public.organizations o
      where p.id = ${project} and o.id = ${owner.organizationId}`
    const rows = await as(
      tx,
      owner,
      (t) =>
        t`select project_name, client_name from conversation.project_blocks where id = ${block}`,
    )
    expect([...rows]).toEqual([names])
  })
})
