import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  refusal,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { addConfiguration } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const issuer = 'https://issuer.example'
/** Of addConfiguration(). */
const endpoint = 'https://mcp.example/mcp'

type Step = (tx: TransactionSql) => Promise<unknown>

/** Each way to store a sealed value for a person. */
const ways = (
  { organizationId, id }: Pick<Member, 'organizationId' | 'id'>,
  configuration: number,
  value: string,
): Step[] => [
  (t) => t`
    select public.store_provider_credential(${organizationId}, ${id}, 'openrouter', ${value}, '1234')`,
  (t) => t`
    select public.set_mcp_bearer_token(
      ${organizationId}, ${id}, ${configuration}, ${endpoint}, ${value})`,
  (t) => t`select public.set_oauth_client(${organizationId}, ${id}, ${issuer}, 'client', ${value})`,
  (t) => t`
    select public.set_mcp_header_key(
      ${organizationId}, ${id}, ${configuration}, ${endpoint}, true, 'x-key', ${value})`,
]

async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const configuration = await addConfiguration(tx, owner.organizationId)
  await tx`update public.mcp_configurations set auth_type = 'bearer' where id = ${configuration}`
  return { owner, configuration }
}

const stored = async (tx: TransactionSql, organizationId: number) => {
  const rows = await tx`
    select value from private.sealed_values where organization_id = ${organizationId}`
  return rows.length
}

test('a sealed value is stored by nobody but service_role, not for a manager’s own token', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, configuration } = await arrange(tx)
    for (const way of ways(owner, configuration, 'v1.invented.nonce.text')) {
      expect(await refusal(tx, owner, way)).toMatch(/^42501 permission denied for function/)
      expect(await refusal(tx, 'anon', way)).toMatch(/^42501 permission denied/)
    }
    expect(await stored(tx, owner.organizationId)).toBe(0)
  })
})

test('service_role stores one for a member who may, and for nobody else', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, configuration } = await arrange(tx)
    const { organizationId } = owner
    const member = await addMember(tx, organizationId)
    const { owner: other } = await arrange(tx)
    for (const { id } of [member, other]) {
      for (const way of ways({ organizationId, id }, configuration, 'v1.k.n.c')) {
        expect(await refusal(tx, 'service_role', way)).toBe('42501 permission_denied')
      }
    }
    // The configuration of one organization is not there for another.
    const [, foreign] = ways(other, configuration, 'v1.k.n.c')
    expect(await refusal(tx, 'service_role', foreign as Step)).toBe(
      'PT404 mcp_configuration_not_found',
    )
    expect(await stored(tx, organizationId)).toBe(0)
    for (const way of ways(owner, configuration, 'v1.k.n.c')) await as(tx, 'service_role', way)
    expect(await stored(tx, organizationId)).toBe(4)
  })
})

test('a configuration takes 16 header keys, and says so of one more', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, configuration } = await arrange(tx)
    const key = (n: number) => (t: TransactionSql) => t`
      select public.set_mcp_header_key(${owner.organizationId}, ${owner.id}, ${configuration},
        ${endpoint}, true, ${`x-key-${n}`}, 'v1.k.n.c')`
    for (let n = 1; n <= 16; n += 1) await as(tx, 'service_role', key(n))
    await as(tx, 'service_role', key(16))
    const error = await as(tx, 'service_role', key(17)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'PT409', message: 'quota_exceeded' })
    expect(JSON.parse((error as { hint: string }).hint)).toEqual({
      ...{ table: 'private.mcp_header_keys', scope: 'configuration', bound: 'rows', allowed: 16 },
    })
  })
})

test('a person’s own configuration is there for nobody else, not even an owner', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { organizationId } = owner
    const member = await addMember(tx, organizationId)
    const own = await addConfiguration(tx, organizationId, { user_id: member.id })
    await tx`update public.mcp_configurations set auth_type = 'bearer' where id = ${own}`
    const [, owners] = ways(owner, own, 'v1.k.n.c')
    const [, members] = ways(member, own, 'v1.k.n.c')
    expect(await refusal(tx, 'service_role', owners as Step)).toBe(
      'PT404 mcp_configuration_not_found',
    )
    expect(await refusal(tx, 'service_role', members as Step)).toBe('allowed')
    await as(tx, 'service_role', members as Step)
    await tx`
      update client_mgmt.client_users set ended_at = now()
      where organization_id = ${organizationId} and user_id = ${member.id}`
    expect(await refusal(tx, 'service_role', members as Step)).not.toBe('allowed')
  })
})

test('the log says for whom service_role stored one, and puts nothing else down to them', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, configuration } = await arrange(tx)
    for (const way of ways(owner, configuration, 'v1.k.n.c')) await as(tx, 'service_role', way)
    await as(
      tx,
      'service_role',
      (t) => t`select public.log_audit_event(${owner.organizationId}, 'backup.restore', 'backup')`,
    )
    const events = await tx`
      select action, actor, user_id, details ->> 'user_id' as acting from public.audit_logs
      where organization_id = ${owner.organizationId} and actor = 'service_role' order by sequence`
    const by = { actor: 'service_role', user_id: null, acting: owner.id }
    expect(events).toEqual([
      { action: 'provider_credential.insert', ...by },
      { action: 'mcp_configuration.set_bearer_token', ...by },
      { action: 'oauth_client.insert', ...by },
      { action: 'mcp_configuration.set_header_key', ...by },
      { action: 'backup.restore', ...by, acting: null },
    ])
    const [chain] = await tx`select valid from public.verify_audit_chain(${owner.organizationId})`
    expect(chain?.valid).toBe(true)
  })
})

test('another key of a provider is an event; one that is sealed anew is none', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const store = (value: string) => (t: TransactionSql) => t`
      select public.store_provider_credential(
        ${owner.organizationId}, ${owner.id}, 'openrouter', ${value}, '1234')`
    await as(tx, 'service_role', store('v1.k.n.a'))
    await as(tx, 'service_role', store('v1.k.n.b'))
    await as(
      tx,
      'service_role',
      (t) => t`
        select public.reseal_value('private.provider_keys', ${owner.organizationId}, 'openrouter',
          'sealed_key', 'v1.k.n.b', 'v1.k.n.c')`,
    )
    const [read] = await as(
      tx,
      'service_role',
      (t) => t`select public.provider_credential(${owner.organizationId}, 'openrouter') as sealed`,
    )
    expect(read?.sealed).toBe('v1.k.n.c')
    const events = await tx`
      select action, details from public.audit_logs
      where organization_id = ${owner.organizationId} and resource_type = 'provider_credential'
      order by sequence`
    expect(events).toMatchObject([
      { action: 'provider_credential.insert' },
      {
        action: 'provider_credential.update',
        details: { after: { stored_at: expect.any(String) as string } },
      },
    ])
    expect(JSON.stringify(events)).not.toContain('v1.k')
  })
})

test('a bearer token that is stored while the endpoint changes does not reach the new one', async () => {
  const { owner, configuration } = await sql.begin((tx) => arrange(tx))
  const [, store] = ways(owner, configuration, 'v1.k.n.c')
  let moved: Promise<unknown> | undefined
  await sql.begin(async (tx) => {
    await as(tx, 'service_role', store as Step)
    moved = committedAs(
      sql,
      owner,
      (t) => t`
        update public.mcp_configurations set endpoint = 'https://other.example/'
        where id = ${configuration}`,
    )
    await untilSomeoneWaits(tx)
  })
  await moved
  await sql.begin(async (tx) => expect(await stored(tx, owner.organizationId)).toBe(0))
})

test('a credential is not stored for another server than the member saw', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, configuration } = await arrange(tx)
    const [, bearer, , header] = ways(owner, configuration, 'v1.k.n.c')
    await tx`
      update public.mcp_configurations set endpoint = 'https://moved.example/'
      where id = ${configuration}`
    for (const way of [bearer, header]) {
      expect(await refusal(tx, 'service_role', way as Step)).toBe('PT409 mcp_configuration_changed')
    }
    expect(await stored(tx, owner.organizationId)).toBe(0)
  })
})

test.each([
  'plain',
  'v1..nonce.text',
  'v1.key id.nonce.text',
  'v1.\u001b[2J.nonce.text',
  `v1.${'k'.repeat(65)}.nonce.text`,
  'v1.key.nonce.text\n',
  'v1.key.nonce.text.more',
])('%j is no sealed value', async (value) => {
  await rolledBack(sql, async (tx) => {
    const { owner, configuration } = await arrange(tx)
    for (const way of ways(owner, configuration, value)) {
      expect(await refusal(tx, 'service_role', way)).toBe('22023 invalid_request')
    }
  })
})

test('every sealed column has the same check of its format', async () => {
  const checks = await sql<{ definition: string }[]>`
    select pg_get_constraintdef(k.oid) as definition from pg_constraint k
    where k.contype = 'c' and k.conname like '%sealed'`
  expect(checks).toHaveLength(13)
  for (const { definition } of checks) {
    expect(definition).toContain(
      String.raw`'^v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'`,
    )
  }
})
