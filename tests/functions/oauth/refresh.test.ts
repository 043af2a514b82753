import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Admin } from '../../../supabase/functions/_shared/database.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { createAuthorizedFetch } from '../../../supabase/functions/_shared/oauth/authorized-fetch.ts'
import type { ConnectionKey } from '../../../supabase/functions/_shared/oauth/places.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { addConfiguration, beginConnection, codeOf, connect } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
let worker: OAuthWorker
let other: OAuthWorker
let servers: Fixture
let ann: Person & { organization: Organization }
let key: ConnectionKey
let id: number

beforeAll(async () => {
  ;[worker, other, servers, ann] = await Promise.all([
    startWorker(),
    startWorker(),
    startServers(),
    signUpWithOrganization('ann'),
  ])
})

beforeEach(async () => {
  const { issuer, server } = servers
  issuer.intercept = null
  server.requiredScope = ''
  const configurationId = await addConfiguration(ann, server.endpoint)
  key = { organizationId: ann.organization.id, userId: ann.id, configurationId }
  ;({ id } = await connect(worker, ann, configurationId))
  issuer.tokenRequests.length = 0
  server.tokens.length = 0
})

const expire = () => sql`
  update public.mcp_oauth_tokens
  set expires_at = clock_timestamp() - interval '1 minute', refreshed_at = clock_timestamp() - interval '1 hour'
  where organization_id = ${key.organizationId} and id = ${id}`

async function row() {
  const [found] = await sql<
    {
      status: string
      generation: number
      refresh_error: string | null
      lease_id: string | null
      access_token: string
      refresh_token: string
    }[]
  >`
    select status, generation::int, refresh_error, lease_id, access_token, refresh_token
    from public.mcp_oauth_tokens where organization_id = ${key.organizationId} and id = ${id}`
  if (!found) throw new Error('the connection is gone')
  return found
}

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: { code: string }) => error.code,
  )

/** Answers the token endpoint with a status and a body. */
function answerTokenRequests(status: number, body: string, type = 'application/json') {
  servers.issuer.intercept = (request, response) => {
    if (request.url !== '/token') return false
    response.writeHead(status, { 'content-type': type }).end(body)
    return true
  }
}

describe('a token', () => {
  it('that is good is handed out without a refresh', async () => {
    const first = await worker.credentials.get(key)
    expect(await other.credentials.get(key)).toEqual(first)
    expect(first.generation).toBe(1)
    expect(servers.issuer.tokenRequests).toEqual([])
  })

  it('that has expired is refreshed once for fifty users in two workers, and all succeed', async () => {
    await expire()
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? worker : other).credentials.get(key)),
    )
    expect(new Set(all.map(({ token }) => token)).size).toBe(1)
    expect(all[0]?.generation).toBe(2)
    expect(servers.issuer.tokenRequests).toMatchObject([
      { grant_type: 'refresh_token', resource: servers.server.endpoint },
    ])
    expect(await row()).toMatchObject({ status: 'connected', generation: 2, lease_id: null })
  })

  it('is refreshed once too by fifty workers that share nothing but the database', async () => {
    await expire()
    const workers = await Promise.all(Array.from({ length: 50 }, () => startWorker()))
    const all = await Promise.all(workers.map(({ credentials }) => credentials.get(key)))
    expect(new Set(all.map(({ token }) => token)).size).toBe(1)
    expect(servers.issuer.tokenRequests).toHaveLength(1)
  })

  it('is refreshed again and again, with rotation', async () => {
    for (let generation = 2; generation <= 5; generation += 1) {
      await expire()
      expect((await worker.credentials.get(key)).generation).toBe(generation)
    }
    const used = servers.issuer.tokenRequests.map((form) => form.refresh_token)
    expect(new Set(used).size).toBe(4)
  })

  it('with a short life is due early, but only once', async () => {
    answerTokenRequests(
      200,
      JSON.stringify({ access_token: 'short', token_type: 'bearer', expires_in: 0 }),
    )
    await expire()
    expect((await worker.credentials.get(key)).token).toBe('short')
    expect(servers.issuer.tokenRequests).toHaveLength(1)
  })

  it('that is not refreshed with a new refresh token keeps the old one', async () => {
    answerTokenRequests(
      200,
      JSON.stringify({ access_token: 'next', token_type: 'Bearer', expires_in: 60 }),
    )
    await expire()
    await worker.credentials.get(key)
    servers.issuer.intercept = null
    await expire()
    expect((await worker.credentials.get(key)).generation).toBe(3)
    const [first, second] = servers.issuer.tokenRequests
    expect(second?.refresh_token).toBe(first?.refresh_token)
  })
})

it('tokens that the database cannot take at first are stored when it can: the issuer has rotated them', async () => {
  await expire()
  const { database } = worker.deps
  let refused = 0
  const call: Admin['call'] = (name, args) => {
    if (name !== 'store_mcp_refresh' || refused === 2) return database.admin.call(name, args)
    refused += 1
    return Promise.reject(new AppError('database_unavailable'))
  }
  const admin = { ...database.admin, call }
  const clock = { ...systemClock, setTimeout: setImmediate }
  const shaken = await startWorker({}, { database: { ...database, admin }, clock })
  expect((await shaken.credentials.get(key)).generation).toBe(2)
  expect(refused).toBe(2)
  await expire()
  expect((await worker.credentials.get(key)).generation).toBe(3)
})

describe('a refresh that fails in passing', () => {
  it.each<[string, () => void, string]>([
    [
      'a cut connection',
      () => {
        servers.issuer.intercept = (request) => {
          if (request.url !== '/token') return false
          request.socket.destroy()
          return true
        }
      },
      'authorization_server_unreachable',
    ],
    [
      'HTML',
      () => answerTokenRequests(200, '<h1>Sign in</h1>', 'text/html'),
      'authorization_server_error',
    ],
    [
      'HTML with 400',
      () => answerTokenRequests(400, '<h1>no</h1>', 'text/html'),
      'authorization_server_refused',
    ],
    ['503', () => answerTokenRequests(503, '', 'text/plain'), 'authorization_server_unreachable'],
    [
      'invalid_grant in a 500',
      () => answerTokenRequests(500, '{"error":"invalid_grant"}'),
      'authorization_server_unreachable',
    ],
    [
      'temporarily_unavailable',
      () => answerTokenRequests(400, '{"error":"temporarily_unavailable"}'),
      'authorization_server_unreachable',
    ],
    [
      'half of a JSON',
      () => answerTokenRequests(200, '{"access_token":"abc'),
      'authorization_server_error',
    ],
    [
      'an endless answer',
      () => answerTokenRequests(200, `{"a":"${'x'.repeat(600_000)}"}`),
      'authorization_server_error',
    ],
  ])('by %s keeps the connection and all that is stored', async (_, fail, code) => {
    await expire()
    const before = await row()
    fail()
    expect(await errorOf(worker.credentials.get(key))).toBe(code)
    expect(await row()).toEqual({ ...before, refresh_error: code })
    // Those who come right after get the same answer without asking again.
    expect(await errorOf(other.credentials.get(key))).toBe(code)
    expect(servers.issuer.tokenRequests).toHaveLength(1)
    // A little later the server is well again.
    servers.issuer.intercept = null
    await sql`
      update public.mcp_oauth_tokens set refresh_failed_at = refresh_failed_at - interval '6 seconds'
      where organization_id = ${key.organizationId} and id = ${id}`
    expect((await other.credentials.get(key)).generation).toBe(2)
    expect(await row()).toMatchObject({ refresh_error: null })
  })

  it('does not stop anyone while the token is still good', async () => {
    await sql`
      update public.mcp_oauth_tokens
      set expires_at = clock_timestamp() + interval '20 seconds', refreshed_at = clock_timestamp() - interval '1 hour'
      where organization_id = ${key.organizationId} and id = ${id}`
    answerTokenRequests(503, '')
    expect(await errorOf(worker.credentials.get(key))).toBe('authorization_server_unreachable')
    expect((await worker.credentials.get(key)).generation).toBe(1)
  })

  it('is one failure for all who waited', async () => {
    await expire()
    answerTokenRequests(503, '')
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        errorOf((index % 2 ? worker : other).credentials.get(key)),
      ),
    )
    expect(new Set(all)).toEqual(new Set(['authorization_server_unreachable']))
    expect(servers.issuer.tokenRequests).toHaveLength(1)
  })

  it('has a lease for as long as the request and all tries to store may take', async () => {
    await expire()
    const left: number[] = []
    servers.issuer.intercept = async (request) => {
      if (request.url !== '/token') return false
      const [lease] = await sql<{ seconds: number }[]>`
        select extract(epoch from lease_expires_at - clock_timestamp())::float8 as seconds
        from public.mcp_oauth_tokens where organization_id = ${key.organizationId} and id = ${id}`
      left.push(lease?.seconds ?? 0)
      return false
    }
    expect((await worker.credentials.get(key)).generation).toBe(2)
    expect(left).toHaveLength(1)
    expect(left[0]).toBeGreaterThan(15 + 4 * 10 + 2)
  })

  it('of a worker that died is taken over when its lease is over', async () => {
    await expire()
    await sql`
      update public.mcp_oauth_tokens
      set lease_id = gen_random_uuid(), lease_expires_at = clock_timestamp() + interval '1 second'
      where organization_id = ${key.organizationId} and id = ${id}`
    expect((await worker.credentials.get(key)).generation).toBe(2)
  })
})

describe('invalid_grant', () => {
  it('ends the authorization, and a new one brings it back', async () => {
    await expire()
    answerTokenRequests(400, '{"error":"invalid_grant","error_description":"<b>secret</b>"}')
    expect(await errorOf(worker.credentials.get(key))).toBe('connection_needs_authorization')
    expect(await row()).toMatchObject({ status: 'needs_reauthorization', generation: 1 })
    expect(await errorOf(other.credentials.get(key))).toBe('connection_needs_authorization')
    expect(servers.issuer.tokenRequests).toHaveLength(1)
    servers.issuer.intercept = null
    expect(await connect(worker, ann, key.configurationId)).toMatchObject({ id })
    expect(await row()).toMatchObject({ status: 'connected', generation: 2 })
  })

  it('for an older generation changes nothing: the tokens another worker stored stay', async () => {
    await expire()
    servers.issuer.intercept = async (request, response) => {
      if (request.url !== '/token') return false
      servers.issuer.intercept = null
      // While this answer is on its way, the lease runs out and another worker refreshes.
      await sql`
        update public.mcp_oauth_tokens set lease_expires_at = clock_timestamp()
        where organization_id = ${key.organizationId} and id = ${id}`
      expect((await other.credentials.get(key)).generation).toBe(2)
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"invalid_grant"}')
      return true
    }
    const { generation, token } = await worker.credentials.get(key)
    expect(generation).toBe(2)
    expect(token).toBe((await other.credentials.get(key)).token)
    expect(await row()).toMatchObject({ status: 'connected', generation: 2, refresh_error: null })
  })

  it('is answered by one more try when the person asks for it', async () => {
    await expire()
    answerTokenRequests(400, '{"error":"invalid_grant"}')
    expect(await errorOf(worker.credentials.get(key))).toBe('connection_needs_authorization')
    servers.issuer.intercept = null
    const response = await worker.call(ann, 'POST', `/connections/${id}/refresh`)
    expect(response.status).toBe(200)
    expect(await row()).toMatchObject({ status: 'connected', generation: 2 })
  })
})

describe('invalid_client', () => {
  it('for a client that we registered ends the authorization, and the next one registers anew', async () => {
    const { issuer } = servers
    await expire()
    answerTokenRequests(401, '{"error":"invalid_client"}')
    expect(await errorOf(worker.credentials.get(key))).toBe('client_rejected')
    expect(await row()).toMatchObject({ status: 'needs_reauthorization' })
    issuer.intercept = null
    const before = issuer.registrations.length
    await connect(worker, ann, key.configurationId)
    expect(issuer.registrations).toHaveLength(before + 1)
    expect(await row()).toMatchObject({ status: 'connected' })
  })
})

describe('POST /connections/:id/refresh', () => {
  it('refreshes at once, and twenty at once refresh once', async () => {
    // The issuer answers when all twenty have asked: one that asks after an answer counts again.
    const asked = [worker, other].map(({ credentials }) => vi.spyOn(credentials, 'refresh'))
    const count = () => asked.reduce((sum, { mock }) => sum + mock.calls.length, 0)
    servers.issuer.intercept = async () => {
      await expect.poll(count).toBe(20)
      return false
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? worker : other).call(ann, 'POST', `/connections/${id}/refresh`),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    // Each of the two workers has one look-up for its ten; the second may begin after the first's end.
    expect(servers.issuer.tokenRequests.length).toBeLessThanOrEqual(2)
    const body = (await answers[0]?.json()) as Record<string, unknown>
    expect(Object.keys(body).sort()).toEqual(['expires_at', 'id'])
    asked.forEach((spy) => spy.mockRestore())
  })

  it('is refused to anyone else', async () => {
    const bob = await signUpWithOrganization('bob')
    expect(await codeOf(await worker.call(bob, 'POST', `/connections/${id}/refresh`))).toBe(
      'connection_not_found',
    )
    expect(await codeOf(await worker.call(null, 'POST', `/connections/${id}/refresh`))).toBe(
      'unauthorized',
    )
    expect(await codeOf(await worker.call(ann, 'POST', `/connections/x/refresh`))).toBe(
      'invalid_request',
    )
    expect(servers.issuer.tokenRequests).toEqual([])
  })
})

describe('a call to the server', () => {
  const send = (who = worker) =>
    createAuthorizedFetch(
      who.deps,
      who.credentials,
      key,
    )(servers.server.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
    })

  it('that is answered with 401 causes one refresh and one retry, for all calls at once', async () => {
    const { issuer, server } = servers
    const { token } = await worker.credentials.get(key)
    const found = await issuer.provider.AccessToken.find(token ?? '')
    await found?.destroy()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => send(index % 2 ? worker : other)),
    )
    expect(answers.map(({ status }) => status)).not.toContain(401)
    expect(issuer.tokenRequests).toHaveLength(1)
    expect(server.tokens.filter((sent) => sent === token)).toHaveLength(10)
    expect(server.tokens).toHaveLength(20)
  })

  it('that is refused again ends the authorization, without a loop, and the row says so', async () => {
    const { issuer, server } = servers
    server.metadata = (metadata) => metadata
    issuer.provider.AccessToken.find = async () => undefined
    try {
      expect(await errorOf(send())).toBe('connection_needs_authorization')
      expect(await row()).toMatchObject({ status: 'needs_reauthorization' })
      expect([server.tokens.length, issuer.tokenRequests.length]).toEqual([2, 1])
    } finally {
      Reflect.deleteProperty(issuer.provider.AccessToken, 'find')
    }
  })

  it('that needs more scopes says so, and the next authorization asks for all of them', async () => {
    const { server } = servers
    server.requiredScope = 'mcp:admin'
    expect(await errorOf(send())).toBe('insufficient_scope')
    const { data } = await ann.client.rpc('mcp_connections')
    expect(data?.find((found) => found.id === id)).toMatchObject({ required_scope: 'mcp:admin' })
    const { authorizationUrl } = await beginConnection(worker, ann, key.configurationId)
    const asked = authorizationUrl.searchParams.get('scope')?.split(' ').sort()
    expect(asked).toEqual(['mcp:admin', 'mcp:tools', 'offline_access'])
    await connect(worker, ann, key.configurationId)
    expect((await send()).status).toBe(200)
    expect(
      (await ann.client.rpc('mcp_connections')).data?.find((found) => found.id === id),
    ).toMatchObject({
      required_scope: null,
    })
  })

  it('to another origin carries no token', async () => {
    const { server: elsewhere } = await startServers()
    const fetch = createAuthorizedFetch(worker.deps, worker.credentials, key)
    await fetch(elsewhere.endpoint, { headers: { authorization: 'Bearer ours' } })
    expect(elsewhere.tokens).toEqual([null])
  })
})

describe('clean-up', () => {
  it('never deletes what can still be refreshed', async () => {
    await expire()
    await sql`update public.mcp_oauth_tokens set expires_at = '2000-01-01' where organization_id = ${key.organizationId} and id = ${id}`
    await sql`select public.cleanup_expired_oauth_tokens()`
    expect((await worker.credentials.get(key)).generation).toBe(2)
  })
})
