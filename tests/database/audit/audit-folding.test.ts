import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAccount, addOwner, as, join, type Member } from '../../support/people/tenants.ts'
import { addConfiguration } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Event {
  action: string
  resource_id: string | null
  details: Record<string, unknown>
}

const eventsOf = (tx: TransactionSql, { organizationId }: Member) => tx<Event[]>`
  select action, resource_id, details from public.audit_logs
  where organization_id = ${organizationId} order by sequence`

async function added(tx: TransactionSql, owner: Member, step: () => Promise<unknown>) {
  const before = await eventsOf(tx, owner)
  await step()
  return (await eventsOf(tx, owner)).slice(before.length)
}

const addLayers = (count: number) => (t: TransactionSql) => t`
  insert into public.system_prompts (scope, content, priority)
  select 'organization', 'canary ' || n, n from generate_series(1, ${count}::integer) n`

test('a statement on many rows is one event with their count, ids and common values', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const events = await added(tx, owner, () =>
      as(tx, owner, async (t) => {
        await addLayers(3)(t)
        await t`update public.system_prompts set enabled = false, priority = priority + 1 where scope = 'organization'`
        await t`delete from public.system_prompts where scope = 'organization'`
      }),
    )
    const ids = events[0]?.details['ids']
    expect(ids).toHaveLength(3)
    expect(events.map(({ action, resource_id }) => [action, resource_id])).toEqual([
      ['system_prompt.insert', null],
      ['system_prompt.update', null],
      ['system_prompt.delete', null],
    ])
    expect(events[0]?.details).toMatchObject({
      count: 3,
      after: { scope: 'organization', content: '[sealed]', priority: '[various]', enabled: true },
    })
    expect(events[1]?.details).toEqual({
      count: 3,
      ids,
      before: { enabled: true, priority: '[various]', version: 1 },
      after: { enabled: false, priority: '[various]', version: 2 },
    })
    expect(events[2]?.details).toMatchObject({ count: 3, ids, before: { enabled: false } })
    expect(JSON.stringify(events)).not.toContain('canary')
    const [chain] = await tx`
      select valid from private.verify_audit_chain(${owner.organizationId})`
    expect(chain?.valid).toBe(true)
  })
})

test('one row is told as before; rows that did not change are not counted, none is no event', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await as(tx, owner, addLayers(2))
    const set = (where: string) => (t: TransactionSql) =>
      t.unsafe(`update client_mgmt.prompts set template = 'same' where ${where}`)
    await as(
      tx,
      owner,
      (t) => t`
        insert into client_mgmt.prompts (name, template) values ('a', 'same'), ('b', 'other')`,
    )
    const [row] = await tx<{ id: string }[]>`
      select id::text from client_mgmt.prompts
      where organization_id = ${owner.organizationId} and name = 'b'`
    const events = await added(tx, owner, async () => {
      await as(tx, owner, set('false'))
      await as(tx, owner, set(`name = 'a'`))
      await as(tx, owner, set('true'))
    })
    expect(events).toEqual([
      {
        action: 'prompt.update',
        resource_id: row?.id,
        details: { before: { template: 'other' }, after: { template: 'same' } },
      },
    ])
  })
})

test('a statement that reaches several organizations is one event in each', async () => {
  await rolledBack(sql, async (tx) => {
    const one = await addOwner(tx)
    const two = await addOwner(tx)
    const person = await addAccount(tx)
    for (const { organizationId } of [one, two]) await join(tx, organizationId, person, 'member')
    const promote = () => tx`
      update client_mgmt.client_users set role = 'admin' where user_id = ${person.id}`
    const [ofOne, ofTwo] = [await eventsOf(tx, one), await eventsOf(tx, two)]
    await promote()
    for (const [owner, before] of [
      [one, ofOne],
      [two, ofTwo],
    ] as const) {
      const events = (await eventsOf(tx, owner)).slice(before.length)
      expect(events).toMatchObject([
        {
          action: 'membership.update',
          resource_id: person.id,
          details: { before: { role: 'member' }, after: { role: 'admin' } },
        },
      ])
    }
  })
})

test('of a hundred and one rows the first hundred are named', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const events = await added(tx, owner, () =>
      as(
        tx,
        owner,
        (t) => t`
          insert into client_mgmt.prompts (name, template)
          select 'p' || n, 't' from generate_series(1, 101) n`,
      ),
    )
    expect(events).toHaveLength(1)
    expect(events[0]?.details['count']).toBe(101)
    expect(events[0]?.details['ids']).toHaveLength(100)
  })
})

test('the policies that one statement sets are one event, which names the tool of one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const server = await addConfiguration(tx, owner.organizationId)
    const set = (names: string[]) => (t: TransactionSql) => t`
      insert into client_mgmt.mcp_tool_policies ${t(
        names.map((name) => ({ mcp_configuration_id: server, tool_name: name, policy: 'auto' })),
      )}`
    const events = await added(tx, owner, () =>
      as(tx, owner, async (t) => {
        await set(['a'])(t)
        await set(['b', 'c', 'd'])(t)
        await t`update client_mgmt.mcp_tool_policies set policy = 'off'`
        await t`delete from client_mgmt.mcp_tool_policies`
      }),
    )
    const of = { mcp_configuration_id: Number(server) }
    expect(events).toMatchObject([
      { action: 'mcp_tool_policy.insert', details: { ...of, tool_name: 'a', after: 'auto' } },
      { action: 'mcp_tool_policy.insert', resource_id: null, details: { ...of, count: 3 } },
      { action: 'mcp_tool_policy.update', details: { ...of, count: 4 } },
      { action: 'mcp_tool_policy.delete', details: { ...of, count: 4 } },
    ])
    expect(events[0]?.resource_id).not.toBeNull()
  })
})
