import { beforeEach, describe, expect, it } from 'vitest'
import { revokeEndedConnections } from '../../../supabase/functions/_shared/oauth/revoke-ended-connections.ts'
import { callFunction } from '../../support/agents/invoke.ts'
import { addConfiguration, connect } from '../../support/oauth/connect.ts'
import { errorOf, useConnection } from '../../support/oauth/connection.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import { useStack } from '../../support/stack/stack.ts'

const made = useConnection()
const { sql } = made

beforeEach(async () => {
  // Also what other tests have left there: it is due before.
  await sql`delete from private.mcp_revocations`
  made.servers.issuer.revocations.length = 0
})

const queued = () => sql`
  select tries from private.mcp_revocations where organization_id = ${made.ann.organization.id}`
const makeDue = () => sql`
  update private.mcp_revocations set due_at = clock_timestamp() - interval '1 second'
  where organization_id = ${made.ann.organization.id}`
/** What any worker does on the next occasion. */
const work = async () => {
  const { deps } = made.other
  await revokeEndedConnections(deps, await deps.database.admin.call('claim_mcp_revocations', {}))
}
const token = async () => (await made.worker.credentials.get(made.key)).token ?? ''
const lives = async (value: string) =>
  (await made.servers.issuer.provider.AccessToken.find(value)) !== undefined

describe('a connection that ended without the function is revoked at its issuer', () => {
  it.each([
    ['with another endpoint', { endpoint: 'https://other.example/mcp' }],
    ['with its configuration', null],
  ])('%s', async (_, changes) => {
    const value = await token()
    const rows = made.ann.client.from('mcp_configurations')
    const change = changes === null ? rows.delete() : rows.update(changes)
    expect((await change.eq('id', made.key.configurationId)).error).toBe(null)
    expect(await lives(value)).toBe(true)
    await work()
    expect(await lives(value)).toBe(false)
    expect(await queued()).toEqual([])
  })

  it('with its membership, by the scheduled function', async () => {
    const bob = await joinOrganization(made.ann)
    const shared = await addConfiguration(made.ann, made.servers.server.endpoint, { user_id: null })
    await connect(made.worker, bob, shared)
    const key = { ...made.key, userId: bob.id, configurationId: shared }
    const { token: value } = await made.worker.credentials.get(key)
    await made.ann.client.rpc('remove_member', { user_id: bob.id })
    const headers = { apikey: useStack().cleanupKey }
    await expect
      .poll(
        async () => {
          await callFunction('session-cleanup', { headers })
          return lives(value ?? '')
        },
        { timeout: 60_000 },
      )
      .toBe(false)
  }, 90_000)
})

describe('an issuer that does not answer', () => {
  it('delays a revocation, which is tried again', async () => {
    const value = await token()
    made.servers.issuer.intercept = (request) => (request.socket.destroy(), true)
    const response = await made.worker.call(made.ann, 'DELETE', `/connections/${made.id}`)
    expect(await response.json()).toEqual({ id: made.id, revoked: false })
    await work()
    expect(await queued()).toEqual([{ tries: 1 }])
    made.servers.issuer.intercept = null
    await makeDue()
    await work()
    expect([await lives(value), await queued()]).toEqual([false, []])
  })
})

describe('tokens that arrive after their connection has ended', () => {
  it('wait for their revocation, and the call does not wait for it', async () => {
    await made.expire()
    made.servers.issuer.intercept = async (request) => {
      if (request.url === '/token') {
        await sql`delete from public.mcp_oauth_tokens where id = ${made.id}`
      }
      return false
    }
    expect(await errorOf(made.worker.credentials.get(made.key))).toBe(
      'connection_needs_authorization',
    )
    expect(made.servers.issuer.revocations).toEqual([])
    // The deleted ones and the late ones.
    expect(await queued()).toHaveLength(2)
    made.servers.issuer.intercept = null
    await work()
    expect(await queued()).toEqual([])
    const hints = made.servers.issuer.revocations.map((form) => form.token_type_hint)
    expect(hints.toSorted()).toEqual([
      ...['access_token', 'access_token', 'refresh_token', 'refresh_token'],
    ])
  })
})

describe('a new authorization', () => {
  it('at the same client keeps its grant: the earlier tokens are not revoked any more', async () => {
    made.servers.issuer.intercept = (request, response) => {
      if (!request.url?.includes('revocation')) return false
      response.writeHead(503).end()
      return true
    }
    await made.worker.call(made.ann, 'DELETE', `/connections/${made.id}`)
    expect(await queued()).toHaveLength(1)
    await connect(made.worker, made.ann, made.key.configurationId)
    expect(await queued()).toEqual([])
  })
})
