import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  type Member,
  outcome,
  refusal,
} from '../../support/people/tenants.ts'
import { addServer, definition, record, setPolicy } from '../../support/rows/tool-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const inOrganization = (fn: (tx: TransactionSql, owner: Member, member: Member) => Promise<void>) =>
  rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await fn(tx, owner, await addMember(tx, owner.organizationId))
  })

const namesOf = ({ tools }: { tools: { name: string }[] }) => tools.map(({ name }) => name)

test('another endpoint is another server: nothing of the old one is kept', async () => {
  await inOrganization(async (tx, owner) => {
    const server = await addServer(tx, owner)
    await setPolicy(tx, owner, server, 'auto')
    await record(tx, owner, server, [definition('search')])
    await as(
      tx,
      owner,
      (t) =>
        t`update public.mcp_configurations set endpoint = 'https://other.example/' where id = ${server}`,
    )
    const count = async (table: string) =>
      (await tx.unsafe(`select 1 from client_mgmt.${table} where mcp_configuration_id = ${server}`))
        .length
    expect(await count('mcp_tools')).toBe(0)
    expect(await count('mcp_tool_listings')).toBe(0)
    expect(await count('mcp_tool_policies')).toBe(0)
    const late = await outcome(record(tx, owner, server, [definition('search')]))
    expect(late, 'a listing of the old server that arrives late').toBe(
      'PT404 mcp_configuration_not_found',
    )
  })
})

test('a listing is one person’s, and of servers that they use', async () => {
  await inOrganization(async (tx, owner, member) => {
    const shared = await addServer(tx, owner, { name: 'both' })
    await addServer(tx, owner, { name: 'both', user_id: member.id })
    const theirs = await addServer(tx, owner, { user_id: owner.id })
    const disabled = await addServer(tx, owner, { enabled: false })
    const list = (person: Member, server: number) => outcome(record(tx, person, server, []))
    expect(await list(owner, shared)).toBe('allowed')
    for (const [person, server] of [
      [member, shared],
      [member, theirs],
      [owner, disabled],
      [await addOwner(tx), shared],
    ] as const) {
      expect(await list(person, server)).toBe('PT404 mcp_configuration_not_found')
    }
  })
})

test('policies: the tool’s own, else the server’s, else ask; what is off is not shown', async () => {
  await inOrganization(async (tx, owner) => {
    const server = await addServer(tx, owner)
    await setPolicy(tx, owner, server, 'auto')
    await setPolicy(tx, owner, server, 'off', 'delete')
    await setPolicy(tx, owner, server, 'ask', 'write')
    const { tools } = await record(
      tx,
      owner,
      server,
      ['read', 'write', 'delete'].map((name) => definition(name)),
    )
    expect(tools.map(({ name, policy }) => [name, policy])).toEqual([
      ['read', 'auto'],
      ['write', 'ask'],
    ])
  })
})

test('policies are written by members who may change the configuration', async () => {
  await inOrganization(async (tx, owner, member) => {
    const shared = await addServer(tx, owner)
    const own = await addServer(tx, owner, { user_id: member.id })
    const foreign = await addServer(tx, await addOwner(tx))
    const insert = (server: number, organization?: number) => (t: TransactionSql) =>
      organization === undefined
        ? t`insert into client_mgmt.mcp_tool_policies (mcp_configuration_id, policy) values (${server}, 'auto')`
        : t`insert into client_mgmt.mcp_tool_policies (organization_id, mcp_configuration_id, policy)
            values (${organization}, ${server}, 'auto')`
    expect(await refusal(tx, member, insert(shared))).toMatch(/^42501 /)
    expect(await refusal(tx, owner, insert(own))).toMatch(/^42501 /)
    expect(await refusal(tx, owner, insert(foreign))).toMatch(/^42501 /)
    expect(await refusal(tx, member, insert(own))).toBe('allowed')
    expect(await refusal(tx, owner, insert(shared))).toBe('allowed')
    expect(await refusal(tx, owner, insert(foreign, owner.organizationId))).toMatch(/^42501 /)
    const raise = (t: TransactionSql) =>
      t`update client_mgmt.mcp_tool_policies set policy = 'auto' returning mcp_configuration_id as id`
    expect((await as(tx, member, raise)).map(({ id }) => Number(id))).toEqual([own])
    const seen = await as(
      tx,
      owner,
      (t) => t`select mcp_configuration_id as id from client_mgmt.mcp_tool_policies`,
    )
    expect(seen.map(({ id }) => Number(id))).toEqual([shared])
  })
})

test('the log shows of a personal server’s tools no more than that something changed', async () => {
  await inOrganization(async (tx, owner, member) => {
    const own = await addServer(tx, owner, { user_id: member.id })
    await setPolicy(tx, member, own, 'auto', 'secret-tool')
    await record(tx, member, own, [definition('secret-tool')])
    await record(tx, member, own, [definition('secret-tool', 'other')])
    const rows = await tx`
      select details::text as details from public.audit_logs
      where organization_id = ${owner.organizationId} and resource_type like 'mcp_tool%'`
    expect(rows).toHaveLength(2)
    expect(JSON.stringify(rows)).not.toContain('secret-tool')
  })
})

test('a server that lists something else each time fills neither the table nor the log', async () => {
  await inOrganization(async (tx, owner) => {
    const server = await addServer(tx, owner)
    await record(tx, owner, server, [definition('search')])
    for (let round = 0; round < 6; round += 1) {
      const names = Array.from({ length: 127 }, (_, n) => `tool-${round}-${n}`)
      const tools = [
        definition('search', `other ${round}`),
        ...names.map((name) => definition(name)),
      ]
      await record(tx, owner, server, tools)
    }
    const [kept] = await tx<[{ tools: number; logged: number; said: string }]>`
      select count(*)::int as tools, (
        select count(*)::int from public.audit_logs
        where organization_id = ${owner.organizationId} and action = 'mcp_tool.quarantine'
      ) as logged, min(proposed_definition ->> 'description') filter (where name = 'search') as said
      from client_mgmt.mcp_tools where mcp_configuration_id = ${server}`
    // Of what was there first one change is on record, and what it says now is what may be approved.
    expect(kept).toEqual({ tools: 512, logged: 5, said: 'other 5' })
    expect(namesOf(await record(tx, owner, server, [definition('search')]))).toEqual(['search'])
  })
})

test('two organizations with the same server share nothing', async () => {
  await inOrganization(async (tx, owner) => {
    const other = await addOwner(tx)
    const [mine, theirs] = [await addServer(tx, owner), await addServer(tx, other)]
    await setPolicy(tx, owner, mine, 'auto')
    await record(tx, owner, mine, [definition('search')])
    await record(tx, owner, mine, [definition('search', 'poisoned')])
    const { tools, quarantined } = await record(tx, other, theirs, [
      definition('search', 'poisoned'),
    ])
    expect(quarantined).toEqual([])
    expect(tools).toMatchObject([{ name: 'search', policy: 'ask' }])
    expect(await as(tx, other, (t) => t`select 1 from client_mgmt.mcp_tools`)).toHaveLength(1)
    expect(await outcome(record(tx, other, mine, []))).toBe('PT404 mcp_configuration_not_found')
  })
})

test('listings, pins and calls are written by no client', async () => {
  await inOrganization(async (tx, owner) => {
    const server = await addServer(tx, owner)
    await record(tx, owner, server, [definition('search')])
    for (const statement of [
      'select * from client_mgmt.mcp_tool_listings',
      "update client_mgmt.mcp_tools set status = 'pinned'",
      'delete from client_mgmt.mcp_tools',
      "insert into client_mgmt.mcp_tools (mcp_configuration_id, name, status) values (1, 'x', 'pinned')",
      "update conversation.tool_calls set status = 'approved'",
      "update conversation.tool_approvals set decision = 'approve'",
      'select public.claim_tool_calls(1, null)',
      "select public.record_mcp_tools(1, null, 1, '', '[]', 1)",
      "select public.begin_tool_calls(1, null, 1, '[]', '{}')",
      "select public.finish_tool_call(1, null, '', '{}')",
    ]) {
      expect(await refusal(tx, owner, (t) => t.unsafe(statement)), statement).toMatch(/^42501 /)
      expect(await refusal(tx, 'anon', (t) => t.unsafe(statement)), statement).toMatch(/^42501 /)
    }
  })
})
