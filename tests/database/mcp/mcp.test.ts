import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addDevice,
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  join,
  type Member,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { addBlock } from '../../support/rows/content.ts'
import { addAgent } from '../../support/rows/executions.ts'
import { addConfiguration, addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function effective(tx: TransactionSql, person: Account) {
  const rows = await as(
    tx,
    person,
    (t) => t`
      select name, user_id is not null as own from public.effective_mcp_configurations order by name`,
  )
  return rows.map((row) => [row.name, row.own] as unknown)
}

test('one’s own entry wins over the organization’s of the same name, also to switch it off', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const add = (name: string, person?: Account, enabled = true) =>
      addConfiguration(tx, owner.organizationId, { name, user_id: person?.id ?? null, enabled })
    await add('shared')
    await add('both')
    await add('both', member)
    await add('off')
    await add('off', member, false)
    await add('disabled', undefined, false)
    await add('mine', member)
    expect(await effective(tx, member)).toEqual([
      ['both', true],
      ['mine', true],
      ['shared', false],
    ])
    expect(await effective(tx, owner)).toEqual([
      ['both', false],
      ['off', false],
      ['shared', false],
    ])
    expect(await effective(tx, await addOwner(tx))).toEqual([])
  })
})

test('organization entries need mcp.manage; nobody writes another person’s', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const manager = await addMember(tx, owner.organizationId, 'member', ['mcp.manage'])
    const insert = (user: string | null) => (t: TransactionSql) => t`
      insert into public.mcp_configurations (user_id, name, type, endpoint)
      values (${user}, 'planted', 'http', 'https://evil.example')`
    expect(await refusal(tx, member, insert(null))).toMatch(/^42501 /)
    expect(await refusal(tx, owner, insert(member.id))).toMatch(/^42501 /)
    expect(await refusal(tx, manager, insert(null))).toBe('allowed')
    expect(await refusal(tx, member, insert(member.id))).toBe('allowed')
    const elsewhere = await addOwner(tx)
    const move = (t: TransactionSql) =>
      t`update public.mcp_configurations set organization_id = ${elsewhere.organizationId}`
    expect(await refusal(tx, owner, move)).toMatch(/^42501 /)
  })
})

test('bearer tokens, states and connections are readable by no API role', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConnection(tx, owner)
    for (const statement of [
      'select bearer_token from private.mcp_bearer_tokens',
      'select * from public.mcp_oauth_tokens',
      'select * from public.oauth_states',
    ]) {
      for (const actor of [owner, 'service_role', 'anon'] as const) {
        expect(await refusal(tx, actor, (t) => t.unsafe(statement)), statement).toMatch(/^42501 /)
      }
    }
  })
})

test('a connection is listed and opened by its person, in its organization, and by nobody else', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const id = await addConnection(tx, member)
    // The same person at work elsewhere, on another device.
    const device = await join(tx, stranger.organizationId, await addDevice(tx, member), 'member')
    await as(tx, device, (t) => t`select public.switch_organization(${stranger.organizationId})`)
    const elsewhere = await signIn(tx, device, 'token_refresh')
    const open = (t: TransactionSql) => t`select public.open_mcp_connection(${id})`
    const list = async (t: TransactionSql) =>
      (await t`select id::int from public.mcp_connections()`).map((row) => row.id as number)
    expect(await refusal(tx, member, open)).toBe('allowed')
    expect(await as(tx, member, list)).toEqual([id])
    for (const other of [owner, stranger, elsewhere]) {
      expect(await refusal(tx, other, open)).toBe('PT404 connection_not_found')
      expect(await as(tx, other, list)).toEqual([])
    }
  })
})

test('a connection ends with the membership', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const id = await addConnection(tx, member)
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    expect(await tx`select 1 from public.mcp_oauth_tokens where id = ${id}`).toHaveLength(0)
  })
})

test('two organizations have a client each at one issuer', async () => {
  await rolledBack(sql, async (tx) => {
    const ann = await addOwner(tx)
    const ben = await addOwner(tx)
    for (const [n, owner] of [ann, ben].entries()) {
      await as(
        tx,
        'service_role',
        (t) => t`
          select public.set_oauth_client(
            ${owner.organizationId}, ${owner.id}, 'https://auth.example.com', ${`client-${n}`})`,
      )
    }
    for (const [n, owner] of [ann, ben].entries()) {
      const seen = await as(
        tx,
        owner,
        (t) => t`select client_id, issuer from client_mgmt.oauth_clients`,
      )
      expect(seen).toEqual([{ client_id: `client-${n}`, issuer: 'https://auth.example.com' }])
    }
  })
})

test('null in place of true or false takes the narrower branch, in every function that has one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { organizationId } = owner
    const member = await addMember(tx, organizationId)
    const id = await addConnection(tx, member)
    const [{ configuration } = { configuration: 0 }] = await tx<{ configuration: number }[]>`
      select mcp_configuration_id::int as configuration from public.mcp_oauth_tokens where id = ${id}`
    const at = 'https://mcp.example/mcp'
    const answer = (step: (t: TransactionSql) => Promise<unknown>) =>
      as(
        tx,
        'service_role',
        async (t) => ((await step(t)) as { status: string | null }[])[0]?.status,
      )
    await addAgent(tx, owner)
    const { project, block, turns } = await addBlock(tx, owner, 1)
    await tx`
      insert into conversation.block_turns (organization_id, block_id, turn_id, sequence_order)
      values (${organizationId}, ${block}, ${turns[0] ?? 0}, 1)`
    const [{ lens } = { lens: 0 }] = await tx<{ lens: number }[]>`
      insert into conversation.lens_prototypes (organization_id, name, prompt_template)
      values (${organizationId}, 'own', 'Count.') returning id::int as lens`
    const ways: Record<string, () => Promise<[unknown, unknown]>> = {
      set_mcp_header_key: async () => {
        const store = (person: Member) => (t: TransactionSql) => t`
          select public.set_mcp_header_key(
            ${organizationId}, ${person.id}, ${configuration}, ${at}, null, 'x-key', 'v1.k.n.c')`
        expect(await refusal(tx, 'service_role', store(owner))).toBe('22023 invalid_request')
        return [await refusal(tx, 'service_role', store(member)), '22023 invalid_request']
      },
      lease_oauth_client: async () => [
        await answer(
          (t) => t`
            select public.lease_oauth_client(
              ${organizationId}, ${owner.id}, 'https://issuer.example', null, 'https://a.example/') ->> 'status' as status`,
        ),
        'absent',
      ],
      use_mcp_connection: async () => {
        await tx`update public.mcp_oauth_tokens set status = 'needs_reauthorization' where id = ${id}`
        const use = (t: TransactionSql) => t`
          select public.use_mcp_connection(
            ${organizationId}, ${member.id}, ${configuration}, null, null) ->> 'status' as status`
        return [await answer(use), 'needs_authorization']
      },
      fail_mcp_refresh: async () => {
        const lease = '00000000-0000-4000-8000-000000000000'
        await tx`
          update public.mcp_oauth_tokens set status = 'connected', lease_id = ${lease} where id = ${id}`
        await as(
          tx,
          'service_role',
          (t) => t`
            select public.fail_mcp_refresh(
              ${organizationId}, ${id}, 1, ${lease}, 'connection_needs_authorization', null)`,
        )
        const [row] = await tx`select status from public.mcp_oauth_tokens where id = ${id}`
        return [row?.status, 'connected']
      },
      estimate_lens_run: async () => {
        const blocks = async (staleOnly: boolean | null) => {
          const estimate = (t: TransactionSql) => t<{ blocks: number }[]>`
            select blocks from public.estimate_lens_run(${lens}, ${project}, stale_only => ${staleOnly})`
          return (await as(tx, owner, estimate))[0]?.blocks
        }
        expect(await blocks(false)).toBe(1)
        return [await blocks(null), 0]
      },
      begin_lens_run: async () => {
        const begin = (t: TransactionSql) =>
          t`select public.begin_lens_run(${lens}, ${project}, stale_only => null)`
        await as(tx, owner, begin)
        const [run] = await tx<{ status: string }[]>`
          select status from conversation.lens_runs where organization_id = ${organizationId}`
        return [run?.status, 'done']
      },
      log_audit_event: async () => {
        const log = (t: TransactionSql) => t`
          select public.log_audit_event(${organizationId}, 'a.b', 'c', success => null)`
        return [(await refusal(tx, 'service_role', log)).slice(0, 5), '23502']
      },
      set_organization_active: async () => [
        await refusal(
          tx,
          await addPlatformAdmin(tx),
          (t) => t`
          select public.set_organization_active(${organizationId}, null, 'a reason')`,
        ),
        '22023 invalid_request',
      ],
      set_account_active: async () => [
        await refusal(
          tx,
          await addPlatformAdmin(tx),
          (t) => t`
          select public.set_account_active(${member.id}, null, 'a reason')`,
        ),
        '22023 invalid_request',
      ],
    }
    const functions = await tx<{ name: string }[]>`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'public'::regnamespace and 'boolean'::regtype = any (p.proargtypes::oid[])
        and (has_function_privilege('service_role', p.oid, 'execute')
          or has_function_privilege('authenticated', p.oid, 'execute'))
        and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')`
    expect(functions.map(({ name }) => name).sort()).toEqual(Object.keys(ways).sort())
    for (const [name, way] of Object.entries(ways)) {
      const [found, expected] = await way()
      expect(found, name).toBe(expected)
    }
  })
})

test('a client without an id is refused at once, and the present client stays', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId, id } = await addOwner(tx)
    const store = (client: string | null) => (t: TransactionSql) => t`
      select public.set_oauth_client(${organizationId}, ${id}, 'https://auth.example.com', ${client})`
    await tx`set local statement_timeout = '20s'`
    expect(await refusal(tx, 'service_role', store(null))).toBe('22023 invalid_request')
    expect(await refusal(tx, 'service_role', store('client'))).toBe('allowed')
    expect(await refusal(tx, 'service_role', store(null))).toBe('22023 invalid_request')
    const present = await tx`
      select client_id from client_mgmt.oauth_clients
      where organization_id = ${organizationId} and superseded_at is null`
    expect(present).toEqual([{ client_id: 'client' }])
  })
})

test('late tokens are kept only beside newer ones of the same client at the same issuer', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const id = await addConnection(tx, owner)
    const late = async (tokens: object) => {
      const [row] = await as(
        tx,
        'service_role',
        (t) => t<{ stored: string }[]>`
          select public.store_mcp_refresh(${owner.organizationId}, ${id}, 0, ${t.json(tokens as never)})
            as stored`,
      )
      return row?.stored
    }
    const [issuer, client_id] = ['https://issuer.example', 'client']
    expect(await late({ issuer, client_id })).toBe('superseded')
    expect(await late({ issuer: 'https://other.example', client_id })).toBe('unwanted')
    expect(await late({ issuer, client_id: 'other' })).toBe('unwanted')
  })
})
