import { describe, expect, it } from 'vitest'
import { connect } from '../../support/oauth/connect.ts'
import { errorOf, useConnection } from '../../support/oauth/connection.ts'

const c = useConnection()

describe('a refresh that fails in passing', () => {
  it.each<[string, () => void, string]>([
    [
      'a cut connection',
      () => {
        c.servers.issuer.intercept = (request) => {
          if (request.url !== '/token') return false
          request.socket.destroy()
          return true
        }
      },
      'authorization_server_unreachable',
    ],
    [
      'HTML',
      () => c.answerTokenRequests(200, '<h1>Sign in</h1>', 'text/html'),
      'authorization_server_error',
    ],
    [
      'HTML with 400',
      () => c.answerTokenRequests(400, '<h1>no</h1>', 'text/html'),
      'authorization_server_refused',
    ],
    ['503', () => c.answerTokenRequests(503, '', 'text/plain'), 'authorization_server_unreachable'],
    [
      'invalid_grant in a 500',
      () => c.answerTokenRequests(500, '{"error":"invalid_grant"}'),
      'authorization_server_unreachable',
    ],
    [
      'temporarily_unavailable',
      () => c.answerTokenRequests(400, '{"error":"temporarily_unavailable"}'),
      'authorization_server_unreachable',
    ],
    [
      'half of a JSON',
      () => c.answerTokenRequests(200, '{"access_token":"abc'),
      'authorization_server_error',
    ],
    [
      'an endless answer',
      () => c.answerTokenRequests(200, `{"a":"${'x'.repeat(600_000)}"}`),
      'authorization_server_error',
    ],
  ])('by %s keeps the connection and all that is stored', async (_, fail, code) => {
    await c.expire()
    const before = await c.row()
    fail()
    expect(await errorOf(c.worker.credentials.get(c.key))).toBe(code)
    expect(await c.row()).toEqual({ ...before, refresh_error: code })
    // Those who come right after get the same answer without asking again.
    expect(await errorOf(c.other.credentials.get(c.key))).toBe(code)
    expect(c.servers.issuer.tokenRequests).toHaveLength(1)
    // A little later the server is well again.
    c.servers.issuer.intercept = null
    await c.sql`
      update public.mcp_oauth_tokens set refresh_failed_at = refresh_failed_at - interval '6 seconds'
      where organization_id = ${c.key.organizationId} and id = ${c.id}`
    expect((await c.other.credentials.get(c.key)).generation).toBe(2)
    expect(await c.row()).toMatchObject({ refresh_error: null })
  })

  it.each([
    ['over', -60, 'needs_reauthorization'],
    ['good', 20, 'connected'],
  ])('by a second 4xx in a row while the token is %s', async (_, seconds, status) => {
    c.answerTokenRequests(400, '{"error":"invalid_target"}')
    for (const expected of ['connected', status]) {
      await c.sql`
        update public.mcp_oauth_tokens
        set expires_at = clock_timestamp() + ${seconds} * interval '1 second',
          refreshed_at = clock_timestamp() - interval '1 hour',
          refresh_failed_at = refresh_failed_at - interval '6 seconds'
        where organization_id = ${c.key.organizationId} and id = ${c.id}`
      expect(await errorOf(c.worker.credentials.get(c.key))).toBe('authorization_server_refused')
      expect(await c.row()).toMatchObject({ status: expected, generation: 1 })
    }
  })

  it('does not stop anyone while the token is still good', async () => {
    await c.sql`
      update public.mcp_oauth_tokens
      set expires_at = clock_timestamp() + interval '20 seconds', refreshed_at = clock_timestamp() - interval '1 hour'
      where organization_id = ${c.key.organizationId} and id = ${c.id}`
    c.answerTokenRequests(503, '')
    expect(await errorOf(c.worker.credentials.get(c.key))).toBe('authorization_server_unreachable')
    expect((await c.worker.credentials.get(c.key)).generation).toBe(1)
  })

  it('is one failure for all who waited', async () => {
    await c.expire()
    c.answerTokenRequests(503, '')
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        errorOf((index % 2 ? c.worker : c.other).credentials.get(c.key)),
      ),
    )
    expect(new Set(all)).toEqual(new Set(['authorization_server_unreachable']))
    expect(c.servers.issuer.tokenRequests).toHaveLength(1)
  })

  it('has a lease for as long as the request and all tries to store may take', async () => {
    await c.expire()
    const left: number[] = []
    c.servers.issuer.intercept = async (request) => {
      if (request.url !== '/token') return false
      const [lease] = await c.sql<{ seconds: number }[]>`
        select extract(epoch from lease_expires_at - clock_timestamp())::float8 as seconds
        from public.mcp_oauth_tokens where organization_id = ${c.key.organizationId} and id = ${c.id}`
      left.push(lease?.seconds ?? 0)
      return false
    }
    expect((await c.worker.credentials.get(c.key)).generation).toBe(2)
    expect(left).toHaveLength(1)
    expect(left[0]).toBeGreaterThan(15 + 4 * 10 + 2)
  })

  it('of a worker that died is taken over when its lease is over', async () => {
    await c.expire()
    await c.sql`
      update public.mcp_oauth_tokens
      set lease_id = gen_random_uuid(), lease_expires_at = clock_timestamp() + interval '1 second'
      where organization_id = ${c.key.organizationId} and id = ${c.id}`
    expect((await c.worker.credentials.get(c.key)).generation).toBe(2)
  })
})

describe('invalid_grant', () => {
  it('ends the authorization, and a new one brings it back', async () => {
    await c.expire()
    c.answerTokenRequests(400, '{"error":"invalid_grant","error_description":"<b>secret</b>"}')
    expect(await errorOf(c.worker.credentials.get(c.key))).toBe('connection_needs_authorization')
    expect(await c.row()).toMatchObject({ status: 'needs_reauthorization', generation: 1 })
    expect(await errorOf(c.other.credentials.get(c.key))).toBe('connection_needs_authorization')
    expect(c.servers.issuer.tokenRequests).toHaveLength(1)
    c.servers.issuer.intercept = null
    expect(await connect(c.worker, c.ann, c.key.configurationId)).toMatchObject({ id: c.id })
    expect(await c.row()).toMatchObject({ status: 'connected', generation: 2 })
  })

  it('for an older generation changes nothing: the tokens another worker stored stay', async () => {
    await c.expire()
    c.servers.issuer.intercept = async (request, response) => {
      if (request.url !== '/token') return false
      c.servers.issuer.intercept = null
      // While this answer is on its way, the lease runs out and another worker refreshes.
      await c.sql`
        update public.mcp_oauth_tokens set lease_expires_at = clock_timestamp()
        where organization_id = ${c.key.organizationId} and id = ${c.id}`
      expect((await c.other.credentials.get(c.key)).generation).toBe(2)
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"invalid_grant"}')
      return true
    }
    const { generation, token } = await c.worker.credentials.get(c.key)
    expect(generation).toBe(2)
    expect(token).toBe((await c.other.credentials.get(c.key)).token)
    expect(await c.row()).toMatchObject({ status: 'connected', generation: 2, refresh_error: null })
  })

  it('is answered by one more try when the person asks for it', async () => {
    await c.expire()
    c.answerTokenRequests(400, '{"error":"invalid_grant"}')
    expect(await errorOf(c.worker.credentials.get(c.key))).toBe('connection_needs_authorization')
    c.servers.issuer.intercept = null
    const response = await c.worker.call(c.ann, 'POST', `/connections/${c.id}/refresh`)
    expect(response.status).toBe(200)
    expect(await c.row()).toMatchObject({ status: 'connected', generation: 2 })
  })
})

describe('invalid_client', () => {
  it('for a client that we registered ends the authorization, and the next one registers anew', async () => {
    const { issuer } = c.servers
    await c.expire()
    c.answerTokenRequests(401, '{"error":"invalid_client"}')
    expect(await errorOf(c.worker.credentials.get(c.key))).toBe('client_rejected')
    expect(await c.row()).toMatchObject({ status: 'needs_reauthorization' })
    issuer.intercept = null
    const before = issuer.registrations.length
    await connect(c.worker, c.ann, c.key.configurationId)
    expect(issuer.registrations).toHaveLength(before + 1)
    expect(await c.row()).toMatchObject({ status: 'connected' })
  })
})
