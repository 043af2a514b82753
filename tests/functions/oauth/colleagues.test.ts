import fc from 'fast-check'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { revokeEndedConnections } from '../../../supabase/functions/_shared/oauth/revoke-ended-connections.ts'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { addConfiguration, beginConnection, follow } from '../../support/oauth/connect.ts'
import { errorOf } from '../../support/oauth/connection.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import { type Fault, StrictIssuer } from '../../support/oauth/strict-issuer.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
let issuer: StrictIssuer
let worker: OAuthWorker
let owner: Person & { organization: Organization }
let members: readonly Person[]

beforeAll(async () => {
  worker = await startWorker({}, { outbound: () => (url, init) => issuer.fetch(url, init) })
  owner = await signUpWithOrganization('owner')
  members = [owner, await joinOrganization(owner), await joinOrganization(owner)]
})

// What other tests have left there is due before.
beforeEach(() => sql`delete from private.mcp_revocations`)

/** What may go wrong with the refresh of one member, and whether their consent is over then. */
const faults: Readonly<Record<string, readonly [Fault, boolean]>> = {
  'the grant is dead': [[400, { error: 'invalid_grant' }], true],
  'the grant is dead, in a 200': [[200, { error: 'bad_refresh_token' }], true],
  'the client may not': [[403, { error: 'unauthorized_client' }], true],
  'the client is unknown': [[401, { error: 'invalid_client' }], true],
  'the server is down': [[503, {}], false],
  'the answer has no tokens': [[200, { scope: null }], false],
}
const steps = ['connect', 'use', 'disconnect', 'the secret expires', ...Object.keys(faults)]

const keyOf = (member: number, configurationId: number) => ({
  organizationId: owner.organization.id,
  userId: members[member]?.id ?? '',
  configurationId,
})

async function connect(member: number, configurationId: number): Promise<void> {
  const person = members[member] ?? owner
  const { authorizationUrl } = await beginConnection(worker, person, configurationId)
  const page = await follow(worker, issuer.consent(authorizationUrl))
  const connection = page.searchParams.get('connection')
  const finished = await worker.call(person, 'POST', '/connections/finish', { connection })
  expect(finished.status).toBe(201)
}

async function rowOf(member: number, configurationId: number) {
  const [row] = await sql<{ id: number; status: string }[]>`
    select id::int, status from public.mcp_oauth_tokens
    where mcp_configuration_id = ${configurationId} and user_id = ${members[member]?.id ?? ''}`
  return row
}

/** Does one member's step. @returns whether their consent stands after it */
async function take(step: string, member: number, configuration: number, had: boolean) {
  const fault = faults[step]
  if (step === 'connect') {
    await connect(member, configuration)
    return true
  }
  if (step === 'the secret expires') {
    await sql`
      update client_mgmt.oauth_clients set secret_expires_at = now() where issuer = ${issuer.origin}`
    return had
  }
  if (step === 'disconnect') {
    const row = await rowOf(member, configuration)
    if (row) await worker.call(members[member] ?? owner, 'DELETE', `/connections/${row.id}`)
    return false
  }
  if (!had) return false
  if (fault) issuer.fault = fault[0]
  const refreshed = await errorOf(worker.credentials.refresh(keyOf(member, configuration)))
  expect(refreshed === 'none').toBe(!fault)
  const stands = fault?.[1] !== true
  expect((await rowOf(member, configuration))?.status).toBe(
    stands ? 'connected' : 'needs_reauthorization',
  )
  return stands
}

it('a colleague’s connection survives every failure of mine', async () => {
  const step = fc.record({ member: fc.nat({ max: 2 }), step: fc.constantFrom(...steps) })
  let survived = 0
  let registrations = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (sequence) => {
      issuer = new StrictIssuer()
      const id = await addConfiguration(owner, issuer.endpoint, { user_id: null })
      const connected = [true, true, true]
      for (const member of connected.keys()) await connect(member, id)
      for (const { member, step } of sequence) {
        connected[member] = await take(step, member, id, connected[member] ?? false)
        for (const [other, stands] of connected.entries()) {
          if (other === member || !stands) continue
          expect((await rowOf(other, id))?.status).toBe('connected')
          await worker.credentials.refresh(keyOf(other, id))
          survived += 1
        }
      }
      registrations = Math.max(registrations, issuer.secrets.size)
    }),
    {
      numRuns: 15,
      examples: [
        [
          [
            { member: 0, step: 'the secret expires' },
            { member: 0, step: 'connect' },
          ],
        ],
      ],
    },
  )
  // The sequences did what they are about.
  expect(survived).toBeGreaterThan(60)
  expect(registrations).toBeGreaterThan(1)
}, 300_000)

it('a client that was superseded stays while a connection uses it, and no longer', async () => {
  issuer = new StrictIssuer()
  const id = await addConfiguration(owner, issuer.endpoint, { user_id: null })
  const clients = () => sql<{ client_id: string }[]>`
    select client_id from client_mgmt.oauth_clients where issuer = ${issuer.origin} order by id`
  const cleanUp = async () => {
    await sql`
      update client_mgmt.oauth_clients set superseded_at = now() - interval '1 hour'
      where issuer = ${issuer.origin} and superseded_at is not null`
    await worker.deps.database.admin.call('cleanup_unused_oauth_clients', {})
  }
  await connect(0, id)
  await connect(1, id)
  await sql`
    update client_mgmt.oauth_clients set secret_expires_at = now() where issuer = ${issuer.origin}`
  await connect(0, id)
  await cleanUp()
  expect(await clients()).toHaveLength(2)
  await connect(1, id)
  await cleanUp()
  const [last] = await clients()
  expect(await clients()).toHaveLength(1)
  expect(last?.client_id).toBe([...issuer.secrets.keys()].at(-1))
})

it('reconnecting with another client revokes the tokens of the earlier one, and never its own', async () => {
  issuer = new StrictIssuer()
  const id = await addConfiguration(owner, issuer.endpoint, { user_id: null })
  await connect(0, id)
  const [first] = issuer.grants
  await connect(0, id)
  expect(issuer.revoked).toEqual([])
  const [, second] = issuer.grants
  await sql`
    update client_mgmt.oauth_clients set secret_expires_at = now() where issuer = ${issuer.origin}`
  await connect(0, id)
  await expect.poll(() => issuer.revoked).toContain(second?.refreshToken)
  expect(issuer.revoked).not.toContain(issuer.grants[2]?.refreshToken)
  expect(issuer.revoked).not.toContain(first?.refreshToken)
})

it('a failure at the end of an earlier client’s grant leaves the new tokens good', async () => {
  issuer = new StrictIssuer()
  const id = await addConfiguration(owner, issuer.endpoint, { user_id: null })
  await connect(0, id)
  await sql`
    update client_mgmt.oauth_clients set secret_expires_at = now() where issuer = ${issuer.origin}`
  const { authorizationUrl } = await beginConnection(worker, owner, id)
  const page = await follow(worker, issuer.consent(authorizationUrl))
  let uses = 0
  // The first use is the exchange of the code, the second the revocation.
  const outbound: OAuthWorker['deps']['outbound'] = (hosts) => {
    uses += 1
    if (uses === 2) throw new Error('broken')
    return worker.deps.outbound(hosts)
  }
  const failing = await startWorker({}, { outbound })
  const body = { connection: page.searchParams.get('connection') }
  expect((await failing.call(owner, 'POST', '/connections/finish', body)).status).toBe(201)
  await expect
    .poll(() => failing.lines)
    .toContainEqual(expect.objectContaining({ event: 'background_work_failed' }))
  expect(uses).toBe(2)
  expect(issuer.revoked).toEqual([])
})

it('tokens that arrive after the person has disconnected are revoked', async () => {
  issuer = new StrictIssuer()
  const id = await addConfiguration(owner, issuer.endpoint, { user_id: null })
  await connect(0, id)
  const { fetch } = issuer
  const slow = issuer as { fetch: typeof fetch }
  slow.fetch = async (url, init) => {
    const answer = await fetch(url, init)
    if (new URL(url).pathname === '/token') {
      await sql`delete from public.mcp_oauth_tokens where mcp_configuration_id = ${id}`
    }
    return answer
  }
  expect(await errorOf(worker.credentials.refresh(keyOf(0, id)))).toBe(
    'connection_needs_authorization',
  )
  const claimed = await worker.deps.database.admin.call('claim_mcp_revocations', {})
  await revokeEndedConnections(worker.deps, claimed)
  expect(issuer.revoked).toContain(issuer.grants[0]?.refreshToken)
})

it('the status of a connection stands beside the effective configuration, for its person alone', async () => {
  issuer = new StrictIssuer()
  const id = await addConfiguration(owner, issuer.endpoint, { user_id: null })
  const status = async (person: Person) => {
    const { data } = await person.client
      .from('effective_mcp_configurations')
      .select('connection_status')
      .eq('id', id)
      .single()
    return data?.connection_status
  }
  expect(await status(owner)).toBe('not_connected')
  await connect(0, id)
  expect(await status(owner)).toBe('connected')
  issuer.fault = [400, { error: 'invalid_grant' }]
  await errorOf(worker.credentials.refresh(keyOf(0, id)))
  expect(await status(owner)).toBe('needs_reauthorization')
  expect(await status(members[1] ?? owner)).toBe('not_connected')
})
