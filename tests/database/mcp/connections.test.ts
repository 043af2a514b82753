import type { TransactionSql } from 'postgres'
import { expect, it } from 'vitest'
import { addOwner, as, type Member } from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** What a worker is told to use, and what the person sees. */
async function use(tx: TransactionSql, owner: Member, connection: number) {
  const [row] = await tx<[{ configuration: string }]>`
    select mcp_configuration_id as configuration from public.mcp_oauth_tokens where id = ${connection}`
  const { organizationId, id } = owner
  const [used] = await as(
    tx,
    'service_role',
    (t) => t<[{ use: { status: string; access_token?: string } }]>`
      select public.use_mcp_connection(${organizationId}, ${id}, ${row.configuration}) as use`,
  )
  const [seen] = await as(
    tx,
    owner,
    (t) => t<[{ status: string }]>`
      select connection_status as status from public.effective_mcp_configurations
      where id = ${row.configuration}`,
  )
  return [used.use.status, used.use.access_token ?? null, seen.status]
}

it('a connection is none for a configuration of another endpoint than its own', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const own = await addConnection(tx, owner)
    expect(await use(tx, owner, own)).toEqual(['usable', 'v1.key.nonce.access', 'connected'])
    // As a worker can meet it: it read the configuration before a change, and the connection after it.
    const other = await addConnection(tx, owner, { endpoint: 'https://other.example/mcp' })
    expect(await use(tx, owner, other)).toEqual(['needs_authorization', null, 'not_connected'])
  })
})

it('a client and its secret are read by one statement alone', async () => {
  const readers = await sql<{ name: string; language: string; volatility: string; body: string }[]>`
    select p.proname as name, l.lanname as language, p.provolatile as volatility, p.prosrc as body
    from pg_proc p
    join pg_language l on l.oid = p.prolang
    where p.prosrc ~ 'private[.]oauth_client_secrets'
    order by 1`
  // The others write: a secret beside a client whose row they hold.
  expect(readers.map(({ name }) => name)).toEqual([
    'keep_client_secret',
    'oauth_client_json',
    'reseal_value',
  ])
  const reader = readers.find(({ name }) => name === 'oauth_client_json')
  expect(reader).toMatchObject({ language: 'sql', volatility: 's' })
  expect(reader?.body.match(/\bselect\b/g)).toHaveLength(1)
})
