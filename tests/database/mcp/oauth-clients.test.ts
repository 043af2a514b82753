import type { TransactionSql } from 'postgres'
import { expect, it } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { refusedWith } from '../../support/rows/budgets.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const issuer = 'https://issuer.example'
const uri = 'https://platform.example/callback'

/** Registers a client as the function does. @returns its id */
async function register(
  tx: TransactionSql,
  { id: person, organizationId: organization }: Member,
  clientId: string,
) {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<[{ lease: { status: string; id: number; lease_id: string } }]>`
      select public.lease_oauth_client(${organization}, ${person}, ${issuer}, true, ${uri}) as lease`
    expect(row.lease.status).toBe('register')
    const client = t.json({ client_id: clientId, secret_expires_at: null })
    await t`
      select public.store_oauth_client(
        ${organization}, ${person}, ${row.lease.id}, ${row.lease.lease_id}::uuid, ${client})`
    return row.lease.id
  })
}
const reject = (tx: TransactionSql, organization: number, id: number, clientId: string) =>
  as(
    tx,
    'service_role',
    (t) => t`
    select public.reject_oauth_client(${organization}, ${id}, ${clientId})`,
  )
const clients = async (tx: TransactionSql, organization: number) => {
  const rows = await tx<{ client_id: string }[]>`
    select client_id from client_mgmt.oauth_clients where organization_id = ${organization} order by id`
  return rows.map((row) => row.client_id)
}

it('registrations without end leave one row, and the clients that connections use', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { organizationId } = owner
    for (let n = 0; n < 5; n += 1) {
      const id = await register(tx, owner, `client-${n}`)
      if (n === 1) await addConnection(tx, owner, { oauth_client_id: id })
      await reject(tx, organizationId, id, `client-${n}`)
    }
    expect(await clients(tx, organizationId)).toEqual(['client-1', 'client-4'])
  })
})

it('a client stays while an authorization with it is under way', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { organizationId } = owner
    const id = await register(tx, owner, 'under-way')
    const connection = await addConnection(tx, owner)
    await tx`
      insert into public.oauth_states (
        organization_id, user_id, mcp_configuration_id, state, code_verifier, provider, mcp_name, endpoint,
        issuer, client_id, oauth_client_id, server_metadata, redirect_uri, redirect_to
      )
      select organization_id, user_id, mcp_configuration_id, sha256('s'), 'v1.k.n.c', 'p', 'm', endpoint,
        issuer, 'under-way', ${id}, '{}', ${uri}, 'https://client.example/'
      from public.mcp_oauth_tokens where id = ${connection}`
    await reject(tx, organizationId, id, 'under-way')
    await register(tx, owner, 'next')
    expect(await clients(tx, organizationId)).toEqual(['under-way', 'next'])
  })
})

const lease = (tx: TransactionSql, { id, organizationId }: Member, at: string) =>
  as(tx, 'service_role', async (t) => {
    const [row] = await t<[{ lease: { status: string; id: number; lease_id: string } }]>`
      select public.lease_oauth_client(${organizationId}, ${id}, ${at}, true, ${uri}) as lease`
    return row.lease
  })

it('registrations count as changes of the member, up to the bound of a minute', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    const member = await addMember(tx, organizationId)
    await tx`
      update client_mgmt.organization_limits set changes_per_minute_per_user = 3
      where organization_id = ${organizationId}`
    await register(tx, member, 'first')
    await lease(tx, member, 'https://other.example')
    const { message, hint } = await refusedWith(lease(tx, member, 'https://third.example'))
    expect(message).toBe('rate_limited')
    expect(hint).toMatchObject({ limit: 'changes_per_minute', scope: 'user', allowed: 3 })
    const events = await tx<{ by: string }[]>`
      select details ->> 'user_id' as by from public.audit_logs
      where organization_id = ${organizationId} and resource_type = 'oauth_client'`
    expect(events.map(({ by }) => by)).toEqual([member.id, member.id, member.id])
  })
})

it('a person who is no member (any more) registers nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    const stranger = { ...(await addOwner(tx)), organizationId }
    const refused = await refusal(
      tx,
      'service_role',
      (t) => t`
        select public.lease_oauth_client(
          ${organizationId}, ${stranger.id}, ${issuer}, true, ${uri})`,
    )
    expect(refused).toBe('42501 permission_denied')
    expect(await clients(tx, organizationId)).toEqual([])
  })
})

it('a full table lets go of what nothing uses, and refuses with its bound when all is used', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { organizationId } = owner
    const used = await register(tx, owner, 'used')
    await addConnection(tx, owner, { oauth_client_id: used })
    const fill = (registered: string) => tx`
      insert into client_mgmt.oauth_clients (organization_id, issuer, source, client_id, redirect_uri, updated_at)
      select ${organizationId}, 'https://' || n || '.example', 'dynamic', 'c' || n, ${uri}, ${registered}
      from generate_series(1, 999) n`
    await fill('2020-01-01')
    expect((await lease(tx, owner, 'https://next.example')).status).toBe('register')
    expect(await clients(tx, organizationId)).toEqual(['used', null])
    await fill('2100-01-01')
    const { message, hint } = await refusedWith(lease(tx, owner, 'https://over.example'))
    expect(message).toBe('quota_exceeded')
    expect(hint).toMatchObject({ table: 'client_mgmt.oauth_clients', bound: 'rows', allowed: 1000 })
  })
})

it('the registration of a worker that died is cleaned up, one under way is not', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const dead = await lease(tx, owner, 'https://dead.example')
    const live = await lease(tx, owner, 'https://live.example')
    await tx`
      update client_mgmt.oauth_clients set lease_expires_at = now() - interval '16 minutes'
      where id = ${dead.id}`
    await as(tx, 'service_role', (t) => t`select public.cleanup_unused_oauth_clients(1000)`)
    const left = await tx`
      select id from client_mgmt.oauth_clients where organization_id = ${owner.organizationId}`
    expect(left.map(({ id }) => Number(id))).toEqual([live.id])
  })
})
