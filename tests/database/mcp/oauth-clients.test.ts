import type { TransactionSql } from 'postgres'
import { expect, it } from 'vitest'
import { addOwner, as } from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const issuer = 'https://issuer.example'
const uri = 'https://platform.example/callback'

/** Registers a client as the function does. @returns its id */
async function register(tx: TransactionSql, organization: number, clientId: string) {
  return as(tx, 'service_role', async (t) => {
    const [row] = await t<[{ lease: { status: string; id: number; lease_id: string } }]>`
      select public.lease_oauth_client(${organization}, ${issuer}, true, ${uri}) as lease`
    expect(row.lease.status).toBe('register')
    const client = t.json({ client_id: clientId, secret_expires_at: null })
    await t`
      select public.store_oauth_client(
        ${organization}, ${row.lease.id}, ${row.lease.lease_id}::uuid, ${client})`
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
      const id = await register(tx, organizationId, `client-${n}`)
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
    const id = await register(tx, organizationId, 'under-way')
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
    await register(tx, organizationId, 'next')
    expect(await clients(tx, organizationId)).toEqual(['under-way', 'next'])
  })
})
