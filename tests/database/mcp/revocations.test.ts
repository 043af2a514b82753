import type { TransactionSql } from 'postgres'
import { describe, expect, it } from 'vitest'
import { addMember, addOwner, as, type Member } from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const revocation_endpoint = 'https://issuer.example/revoke'

interface Claimed {
  readonly id: number
  readonly organization_id: number
  readonly access_token: string
  readonly client: { readonly client_id: string; readonly client_secret: string } | null
}

async function addClient(tx: TransactionSql, { organizationId }: Member): Promise<number> {
  const [client] = await tx<[{ id: string }]>`
    insert into client_mgmt.oauth_clients (organization_id, issuer, source, client_id)
    values (${organizationId}, 'https://issuer.example', 'preregistered', 'client') returning id`
  const id = Number(client.id)
  await tx`
    insert into private.oauth_client_secrets (organization_id, oauth_client_id, client_secret)
    values (${organizationId}, ${id}, 'v1.key.nonce.secret')`
  return id
}

/** A member with a connection by a registered client. */
async function connected(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const member = await addMember(tx, owner.organizationId)
  const client = await addClient(tx, owner)
  const connection = await addConnection(tx, member, {
    oauth_client_id: client,
    revocation_endpoint,
  })
  const where = { organization: owner.organizationId, owner, member, client, connection }
  const [row] = await tx<[{ mcp_configuration_id: string }]>`
    select mcp_configuration_id from public.mcp_oauth_tokens where id = ${connection}`
  return { ...where, configuration: Number(row.mcp_configuration_id) }
}
type Connected = Awaited<ReturnType<typeof connected>>

const queued = (tx: TransactionSql, organization: number) => tx`
  select access_token, refresh_token, client_secret, client ->> 'client_id' as client_id
  from private.mcp_revocations where organization_id = ${organization} order by id`
const claim = (tx: TransactionSql, batch = 100) =>
  as(tx, 'service_role', async (t) => {
    const [row] = await t<[{ claimed: Claimed[] }]>`
      select public.claim_mcp_revocations(${batch}) as claimed`
    return row.claimed
  })
const due = (tx: TransactionSql) => tx`
  update private.mcp_revocations set due_at = clock_timestamp() - interval '1 second'`

describe('the tokens of a connection wait for their revocation when it ends by', () => {
  it.each<[string, (tx: TransactionSql, of: Connected) => Promise<unknown>]>([
    [
      'another endpoint',
      (tx, { configuration }) => tx`
        update public.mcp_configurations set endpoint = 'https://other.example/'
        where id = ${configuration}`,
    ],
    [
      'the deletion of its configuration',
      (tx, { configuration }) => tx`
        delete from public.mcp_configurations where id = ${configuration}`,
    ],
    [
      'the end of the membership',
      (tx, { owner, member }) => as(tx, owner, (t) => t`select public.remove_member(${member.id})`),
    ],
    [
      'the deletion of the account',
      (tx, { member }) => tx`delete from auth.users where id = ${member.id}`,
    ],
    [
      'the deletion of its client',
      (tx, { client }) => tx`delete from client_mgmt.oauth_clients where id = ${client}`,
    ],
    [
      'the deletion of the organization',
      (tx, { organization }) => tx`delete from public.organizations where id = ${organization}`,
    ],
    [
      'its person',
      (tx, { organization, member, connection }) =>
        as(
          tx,
          'service_role',
          (t) => t`
          select public.delete_mcp_connection(${organization}, ${connection}, ${member.id})`,
        ),
    ],
  ])('%s', async (_, end) => {
    await rolledBack(sql, async (tx) => {
      const made = await connected(tx)
      await end(tx, made)
      expect(await tx`select 1 from public.mcp_oauth_tokens where id = ${made.connection}`).toEqual(
        [],
      )
      expect(await queued(tx, made.organization)).toEqual([
        {
          access_token: 'v1.key.nonce.access',
          refresh_token: 'v1.key.nonce.refresh',
          client_secret: 'v1.key.nonce.secret',
          client_id: 'client',
        },
      ])
    })
  })
})

it('nothing waits where the issuer takes no revocation, or nothing is left to revoke', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addConnection(tx, owner)
    const over = { refresh_token: null, expires_at: new Date(0) }
    await addConnection(tx, owner, { revocation_endpoint, ...over })
    await tx`delete from public.mcp_oauth_tokens where organization_id = ${owner.organizationId}`
    expect(await queued(tx, owner.organizationId)).toEqual([])
    await addConnection(tx, owner, { revocation_endpoint, ...over, expires_at: null })
    await tx`delete from public.mcp_oauth_tokens where organization_id = ${owner.organizationId}`
    expect(await queued(tx, owner.organizationId)).toHaveLength(1)
  })
})

describe('a worker that claims tokens', () => {
  it('has them with their client, and they are due again later until it ends them', async () => {
    await rolledBack(sql, async (tx) => {
      const { organization } = await ended(tx)
      const [claimed] = await claim(tx)
      expect(claimed).toMatchObject({
        organization_id: organization,
        access_token: 'v1.key.nonce.access',
        client: { client_id: 'client', client_secret: 'v1.key.nonce.secret' },
      })
      const waits: number[] = []
      for (let turn = 0; turn < 7; turn += 1) {
        expect(await claim(tx)).toEqual([])
        const [row] = await tx<[{ minutes: number }]>`
          select round(extract(epoch from due_at - clock_timestamp()) / 60)::int as minutes
          from private.mcp_revocations where organization_id = ${organization}`
        waits.push(row.minutes)
        await due(tx)
        expect(await claim(tx)).toHaveLength(1)
      }
      expect(waits).toEqual([1, 4, 16, 64, 256, 360, 360])
      await as(
        tx,
        'service_role',
        (t) => t`
        select public.end_mcp_revocation(${organization}, ${claimed?.id ?? 0})`,
      )
      expect(await queued(tx, organization)).toEqual([])
    })
  })

  it('takes turns among organizations', async () => {
    await rolledBack(sql, async (tx) => {
      const first = await addOwner(tx)
      for (let n = 0; n < 4; n += 1) await addConnection(tx, first, { revocation_endpoint })
      await tx`delete from public.mcp_oauth_tokens where organization_id = ${first.organizationId}`
      const { organization } = await ended(tx)
      const organizations = (await claim(tx, 2)).map((claimed) => claimed.organization_id)
      expect(organizations.toSorted()).toEqual([first.organizationId, organization].toSorted())
    })
  })

  it('gets none after three days, and a clean-up deletes them', async () => {
    await rolledBack(sql, async (tx) => {
      const { organization } = await ended(tx)
      await tx`
        update private.mcp_revocations set expires_at = expires_at - interval '3 days 1 second'
        where organization_id = ${organization}`
      expect(await claim(tx)).toEqual([])
      const other = await ended(tx)
      await as(tx, 'service_role', (t) => t`select public.cleanup_ended_mcp_revocations(1000)`)
      expect(await queued(tx, organization)).toEqual([])
      expect(await queued(tx, other.organization)).toHaveLength(1)
    })
  })
})

it('the newest hundred of a person wait, and a colleague’s are not counted with them', async () => {
  await rolledBack(sql, async (tx) => {
    const { organization, owner } = await ended(tx)
    const [stored] = await tx<[{ n: number }]>`
      with made as (
        select public.queue_mcp_revocation(${organization}, ${owner.id}, 1, jsonb_build_object(
          'issuer', 'https://issuer.example', 'client_id', 'client',
          'server_metadata', jsonb_build_object('revocation_endpoint', ${revocation_endpoint}::text),
          'access_token', 'v1.key.nonce.' || n
        ))
        from generate_series(1, 103) n
      ) select count(*)::int as n from made`
    expect(stored.n).toBe(103)
    const tokens = (await queued(tx, organization)).map((row) => row['access_token'] as string)
    expect(tokens).toHaveLength(101)
    expect(tokens[1]).toBe('v1.key.nonce.4')
    expect(tokens.at(-1)).toBe('v1.key.nonce.103')
  })
})

/** A connection that has ended. */
async function ended(tx: TransactionSql): Promise<Connected> {
  const made = await connected(tx)
  await tx`delete from public.mcp_oauth_tokens where id = ${made.connection}`
  return made
}
