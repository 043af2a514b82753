import { describe, expect, it, vi } from 'vitest'
import type { Admin } from '../../../supabase/functions/_shared/database.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { createAuthorizedFetch } from '../../../supabase/functions/_shared/oauth/authorized-fetch.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'
import { startWorker } from '../../support/oauth/app.ts'
import { beginConnection, codeOf, connect } from '../../support/oauth/connect.ts'
import { errorOf, useConnection } from '../../support/oauth/connection.ts'
import { startServers } from '../../support/oauth/fixture.ts'
import { signUpWithOrganization } from '../../support/people/people.ts'

const c = useConnection()

describe('a token', () => {
  it('that is good is handed out without a refresh', async () => {
    const first = await c.worker.credentials.get(c.key)
    expect(await c.other.credentials.get(c.key)).toEqual(first)
    expect(first.generation).toBe(1)
    expect(c.servers.issuer.tokenRequests).toEqual([])
  })

  it('that has expired is refreshed once for fifty users in two workers, and all succeed', async () => {
    await c.expire()
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (index % 2 ? c.worker : c.other).credentials.get(c.key),
      ),
    )
    expect(new Set(all.map(({ token }) => token)).size).toBe(1)
    expect(all[0]?.generation).toBe(2)
    expect(c.servers.issuer.tokenRequests).toMatchObject([
      { grant_type: 'refresh_token', resource: c.servers.server.endpoint },
    ])
    expect(await c.row()).toMatchObject({ status: 'connected', generation: 2, lease_id: null })
  })

  it('is refreshed once too by fifty workers that share nothing but the database', async () => {
    await c.expire()
    const workers = await Promise.all(Array.from({ length: 50 }, () => startWorker()))
    const all = await Promise.all(workers.map(({ credentials }) => credentials.get(c.key)))
    expect(new Set(all.map(({ token }) => token)).size).toBe(1)
    expect(c.servers.issuer.tokenRequests).toHaveLength(1)
  })

  it('is refreshed again and again, with rotation', async () => {
    for (let generation = 2; generation <= 5; generation += 1) {
      await c.expire()
      expect((await c.worker.credentials.get(c.key)).generation).toBe(generation)
    }
    const used = c.servers.issuer.tokenRequests.map((form) => form.refresh_token)
    expect(new Set(used).size).toBe(4)
  })

  it('with a short life is due early, but only once', async () => {
    c.answerTokenRequests(
      200,
      JSON.stringify({ access_token: 'short', token_type: 'bearer', expires_in: 0 }),
    )
    await c.expire()
    expect((await c.worker.credentials.get(c.key)).token).toBe('short')
    expect(c.servers.issuer.tokenRequests).toHaveLength(1)
  })

  it('that is not refreshed with a new refresh token keeps the old one', async () => {
    c.answerTokenRequests(
      200,
      JSON.stringify({ access_token: 'next', token_type: 'Bearer', expires_in: 60 }),
    )
    await c.expire()
    await c.worker.credentials.get(c.key)
    c.servers.issuer.intercept = null
    await c.expire()
    expect((await c.worker.credentials.get(c.key)).generation).toBe(3)
    const [first, second] = c.servers.issuer.tokenRequests
    expect(second?.refresh_token).toBe(first?.refresh_token)
  })
})

it('tokens that the database cannot take at first are stored when it can: the issuer has rotated them', async () => {
  await c.expire()
  const { database } = c.worker.deps
  let refused = 0
  const call: Admin['call'] = (name, args) => {
    if (name !== 'store_mcp_refresh' || refused === 2) return database.admin.call(name, args)
    refused += 1
    return Promise.reject(new AppError('database_unavailable'))
  }
  const admin = { ...database.admin, call }
  const clock = { ...systemClock, setTimeout: setImmediate }
  const shaken = await startWorker({}, { database: { ...database, admin }, clock })
  expect((await shaken.credentials.get(c.key)).generation).toBe(2)
  expect(refused).toBe(2)
  await c.expire()
  expect((await c.worker.credentials.get(c.key)).generation).toBe(3)
})

describe('POST /connections/:id/refresh', () => {
  it('refreshes at once, and twenty at once refresh once', async () => {
    // The issuer answers when all twenty have asked: one that asks after an answer counts again.
    const asked = [c.worker, c.other].map(({ credentials }) => vi.spyOn(credentials, 'refresh'))
    const count = () => asked.reduce((sum, { mock }) => sum + mock.calls.length, 0)
    c.servers.issuer.intercept = async () => {
      await expect.poll(count).toBe(20)
      return false
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? c.worker : c.other).call(c.ann, 'POST', `/connections/${c.id}/refresh`),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    // Each of the two workers has one look-up for its ten; the second may begin after the first's end.
    expect(c.servers.issuer.tokenRequests.length).toBeLessThanOrEqual(2)
    const body = (await answers[0]?.json()) as Record<string, unknown>
    expect(Object.keys(body).sort()).toEqual(['expires_at', 'id'])
    asked.forEach((spy) => spy.mockRestore())
  })

  it('is refused to anyone else', async () => {
    const bob = await signUpWithOrganization('bob')
    expect(await codeOf(await c.worker.call(bob, 'POST', `/connections/${c.id}/refresh`))).toBe(
      'connection_not_found',
    )
    expect(await codeOf(await c.worker.call(null, 'POST', `/connections/${c.id}/refresh`))).toBe(
      'unauthorized',
    )
    expect(await codeOf(await c.worker.call(c.ann, 'POST', `/connections/x/refresh`))).toBe(
      'invalid_request',
    )
    expect(c.servers.issuer.tokenRequests).toEqual([])
  })
})

describe('a call to the server', () => {
  const send = (who = c.worker) =>
    createAuthorizedFetch(
      who.deps,
      who.credentials,
      c.key,
    )(c.servers.server.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
    })

  it('that is answered with 401 causes one refresh and one retry, for all calls at once', async () => {
    const { issuer, server } = c.servers
    const { token } = await c.worker.credentials.get(c.key)
    const found = await issuer.provider.AccessToken.find(token ?? '')
    await found?.destroy()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => send(index % 2 ? c.worker : c.other)),
    )
    expect(answers.map(({ status }) => status)).not.toContain(401)
    expect(issuer.tokenRequests).toHaveLength(1)
    expect(server.tokens.filter((sent) => sent === token)).toHaveLength(10)
    expect(server.tokens).toHaveLength(20)
  })

  it('that is refused again ends the authorization, without a loop, and the row says so', async () => {
    const { issuer, server } = c.servers
    server.metadata = (metadata) => metadata
    issuer.provider.AccessToken.find = async () => undefined
    try {
      expect(await errorOf(send())).toBe('connection_needs_authorization')
      expect(await c.row()).toMatchObject({ status: 'needs_reauthorization' })
      expect([server.tokens.length, issuer.tokenRequests.length]).toEqual([2, 1])
    } finally {
      Reflect.deleteProperty(issuer.provider.AccessToken, 'find')
    }
  })

  it('that is refused again with a key in a header ends nothing: the key may be what is wrong', async () => {
    const { issuer, server } = c.servers
    const path = `/configurations/${c.key.configurationId}/headers/x-api-key`
    expect((await c.worker.call(c.ann, 'PUT', path, { value: 'wrong' })).status).toBe(204)
    issuer.provider.AccessToken.find = async () => undefined
    try {
      expect((await send()).status).toBe(401)
      expect(await c.row()).toMatchObject({ status: 'connected' })
      expect([server.tokens.length, issuer.tokenRequests.length]).toEqual([2, 1])
    } finally {
      Reflect.deleteProperty(issuer.provider.AccessToken, 'find')
    }
  })

  it('that needs more scopes says so, and the next authorization asks for all of them', async () => {
    const { server } = c.servers
    server.requiredScope = 'mcp:admin'
    expect(await errorOf(send())).toBe('insufficient_scope')
    const { data } = await c.ann.client.rpc('mcp_connections')
    expect(data?.find((found) => found.id === c.id)).toMatchObject({ required_scope: 'mcp:admin' })
    const { authorizationUrl } = await beginConnection(c.worker, c.ann, c.key.configurationId)
    const asked = authorizationUrl.searchParams.get('scope')?.split(' ').sort()
    expect(asked).toEqual(['mcp:admin', 'mcp:tools', 'offline_access'])
    await connect(c.worker, c.ann, c.key.configurationId)
    expect((await send()).status).toBe(200)
    expect(
      (await c.ann.client.rpc('mcp_connections')).data?.find((found) => found.id === c.id),
    ).toMatchObject({
      required_scope: null,
    })
  })

  it('to another origin carries no token', async () => {
    const { server: elsewhere } = await startServers()
    const fetch = createAuthorizedFetch(c.worker.deps, c.worker.credentials, c.key)
    await fetch(elsewhere.endpoint, { headers: { authorization: 'Bearer ours' } })
    expect(elsewhere.tokens).toEqual([null])
  })
})

describe('clean-up', () => {
  it('never deletes what can still be refreshed', async () => {
    await c.expire()
    await c.sql`update public.mcp_oauth_tokens set expires_at = '2000-01-01' where organization_id = ${c.key.organizationId} and id = ${c.id}`
    await c.sql`select public.cleanup_expired_oauth_tokens()`
    expect((await c.worker.credentials.get(c.key)).generation).toBe(2)
  })
})
