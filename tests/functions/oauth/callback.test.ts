import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { browse } from '../../support/oauth/browser.ts'
import {
  addConfiguration,
  authorize,
  beginConnection,
  codeOf,
  connect,
  follow,
  pathOf,
  redirectTo,
} from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import { type Organization, signUpWithOrganization } from '../../support/people/people.ts'
import type { Person } from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'
import { untilServed } from '../../support/stack/until-answered.ts'

const sql = connectOwner()
let worker: OAuthWorker
let servers: Fixture
let ann: Person & { organization: Organization }
let configurationId: number

beforeAll(async () => {
  ;[worker, servers, ann] = await Promise.all([
    startWorker(),
    startServers(),
    signUpWithOrganization('ann'),
  ])
})

beforeEach(async () => {
  servers.issuer.tokenRequests.length = 0
  configurationId = await addConfiguration(ann, servers.server.endpoint)
})

/** An authorization up to the point where the issuer sends the browser back. */
async function issuersAnswer(): Promise<URL> {
  const { authorizationUrl } = await beginConnection(worker, ann, configurationId)
  return browse(authorizationUrl.href)
}

async function countConnections(): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int from public.mcp_oauth_tokens
    where organization_id = ${ann.organization.id} and mcp_configuration_id = ${configurationId}`
  return row.count
}

/** Opens the callback with changed parameters. @returns the parameters the client's page gets */
async function openWith(change: (callback: URL) => void): Promise<Record<string, string>> {
  const callback = await issuersAnswer()
  change(callback)
  return Object.fromEntries((await follow(worker, callback)).searchParams)
}

describe('the callback', () => {
  it('redirects by 303 and leaves no trace in caches and referrers', async () => {
    const callback = await issuersAnswer()
    const response = await worker.call(null, 'GET', pathOf(worker, callback))
    expect(response.status).toBe(303)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(await response.text()).toBe('')
    const location = new URL(response.headers.get('location') ?? '')
    expect(`${location.origin}${location.pathname}`).toBe(redirectTo)
    expect(location.href).not.toContain(callback.searchParams.get('code'))
  })

  it('goes where the authorization was begun for, whatever the request says it is', async () => {
    const callback = await issuersAnswer()
    const response = await worker.app.request(`/oauth${pathOf(worker, callback)}`, {
      headers: {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        forwarded: 'host=evil.example',
      },
    })
    expect(response.headers.get('location')).toMatch(
      /^http:\/\/127\.0\.0\.1:3000\/connected\?connection=/,
    )
  })

  it.each<[string, (callback: URL) => void]>([
    ['an unknown state', (url) => url.searchParams.set('state', 'x'.repeat(43))],
    ['a malformed state', (url) => url.searchParams.set('state', "' or 1=1 --")],
    ['an endless state', (url) => url.searchParams.set('state', 'x'.repeat(50_000))],
    ['no state', (url) => url.searchParams.delete('state')],
    ['no code', (url) => url.searchParams.delete('code')],
    ['an endless code', (url) => url.searchParams.set('code', 'x'.repeat(5_000))],
    ['a second code', (url) => url.searchParams.append('code', 'other')],
    ['a second state', (url) => url.searchParams.append('state', 'other')],
    ['a second issuer', (url) => url.searchParams.append('iss', 'https://other.example')],
  ])('with %s is invalid_state, and no token is asked for', async (_, change) => {
    const answer = await openWith(change)
    expect(answer).toEqual({ error: 'invalid_state' })
    expect(servers.issuer.tokenRequests).toEqual([])
  })

  it('opened again is invalid_state, and the first one can still be finished', async () => {
    const callback = await issuersAnswer()
    const first = await follow(worker, callback)
    const second = await follow(worker, callback)
    expect(Object.fromEntries(second.searchParams)).toEqual({ error: 'invalid_state' })
    const connection = first.searchParams.get('connection')
    const finished = await worker.call(ann, 'POST', '/connections/finish', { connection })
    expect(finished.status).toBe(201)
  })

  it('opened fifty times at once gives one handle', async () => {
    const callback = await issuersAnswer()
    const pages = await Promise.all(Array.from({ length: 50 }, () => follow(worker, callback)))
    expect(pages.filter((page) => page.searchParams.has('connection'))).toHaveLength(1)
    expect(pages.filter((page) => page.searchParams.get('error') === 'invalid_state')).toHaveLength(
      49,
    )
  })

  it('after ten minutes is invalid_state', async () => {
    const callback = await issuersAnswer()
    await sql`update public.oauth_states set expires_at = clock_timestamp() where organization_id = ${ann.organization.id}`
    expect((await follow(worker, callback)).search).toBe('?error=invalid_state')
  })

  it.each([
    ['access_denied', 'access_denied'],
    ['invalid_scope', 'invalid_scope'],
    ['server_error', 'authorization_server_error'],
    ['temporarily_unavailable', 'authorization_server_error'],
    ['unauthorized_client', 'authorization_failed'],
    ['<script>alert(1)</script>', 'authorization_failed'],
    ['constructor', 'authorization_failed'],
  ])('passes the error %s on as %s, and never its text', async (error, code) => {
    const answer = await openWith((url) => {
      url.searchParams.delete('code')
      url.searchParams.set('error', error)
      url.searchParams.set('error_description', '<b>call 0900-SCAM</b>')
      url.searchParams.set('error_uri', 'https://evil.example/')
    })
    expect(answer).toEqual({ error: code })
    expect(servers.issuer.tokenRequests).toEqual([])
  })

  it.each<[string, (callback: URL) => void]>([
    ['another issuer', (url) => url.searchParams.set('iss', 'https://evil.example')],
    [
      'its issuer with a slash',
      (url) => url.searchParams.set('iss', `${url.searchParams.get('iss')}/`),
    ],
    ['no issuer, though it was promised', (url) => url.searchParams.delete('iss')],
    [
      'another issuer and an error of its own',
      (url) => {
        url.searchParams.set('iss', 'https://evil.example')
        url.searchParams.set('error', 'access_denied')
      },
    ],
  ])('with %s is issuer_mismatch, and the authorization is over', async (_, change) => {
    const callback = await issuersAnswer()
    const good = callback.search
    change(callback)
    expect((await follow(worker, callback)).search).toBe('?error=issuer_mismatch')
    callback.search = good
    expect((await follow(worker, callback)).search).toBe('?error=invalid_state')
    expect(servers.issuer.tokenRequests).toEqual([])
  })

  it.each<[string, (path: string) => string]>([
    ['at the callback itself', (path) => path.replace(/\/[^/]+$/, '')],
    ["at another issuer's address", (path) => path.replace(/[^/]+$/, 'f'.repeat(64))],
    [
      'at its address in other letters',
      (path) => path.replace(/[^/]+$/, (own) => own.toUpperCase()),
    ],
  ])('%s is invalid_state, and the authorization is over', async (_, change) => {
    const callback = await issuersAnswer()
    const good = callback.pathname
    callback.pathname = change(good)
    expect((await follow(worker, callback)).search).toBe('?error=invalid_state')
    callback.pathname = good
    expect((await follow(worker, callback)).search).toBe('?error=invalid_state')
    expect(servers.issuer.tokenRequests).toEqual([])
  })

  it('never leads past the list of addresses, also when the list has changed since', async () => {
    const callback = await issuersAnswer()
    const other = await startWorker({ OAUTH_REDIRECT_ALLOW_LIST: 'https://app.example/done' })
    const page = await follow(other, callback)
    expect(`${page.origin}${page.pathname}`).toBe('https://app.example/done')
  })

  it('leads to an app by its own scheme', async () => {
    const app = 'com.example.app:/connected'
    const mobile = await startWorker({ OAUTH_REDIRECT_ALLOW_LIST: `https://app.example,${app}` })
    const { authorizationUrl } = await beginConnection(
      mobile,
      ann,
      configurationId,
      `${app}?from=1`,
    )
    const page = await authorize(mobile, authorizationUrl)
    expect(page.href).toMatch(/^com\.example\.app:\/connected\?from=1&connection=[\w-]{43}$/)
  })
})

describe('finishing', () => {
  async function handle(): Promise<string> {
    const page = await follow(worker, await issuersAnswer())
    return page.searchParams.get('connection') ?? ''
  }
  const finish = (person: Person | null, connection: unknown) =>
    worker.call(person, 'POST', '/connections/finish', { connection })

  it('as another person is refused, in the same organization too, and ends the authorization', async () => {
    const stranger = await signUpWithOrganization('stranger')
    const colleague = await joinOrganization(ann)
    for (const other of [stranger, colleague]) {
      const connection = await handle()
      expect(await codeOf(await finish(other, connection))).toBe('invalid_connection')
      expect(await codeOf(await finish(ann, connection))).toBe('invalid_connection')
    }
    expect(servers.issuer.tokenRequests).toEqual([])
    expect(await countConnections()).toBe(0)
    const { data } = await ann.client
      .from('audit_logs')
      .select('user_id, success, error_message, details')
      .eq('action', 'mcp_connection.finish')
      .order('sequence')
    expect(data).toMatchObject([
      {
        user_id: stranger.id,
        success: false,
        error_message: 'finished_by_someone_else',
        details: { began_by: ann.id },
      },
      { user_id: colleague.id, success: false },
    ])
  })

  it('is once: of fifty at once one stores a connection', async () => {
    const connection = await handle()
    const once = () => untilServed(() => finish(ann, connection))
    const answers = await Promise.all(Array.from({ length: 50 }, once))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(49)
    expect(servers.issuer.tokenRequests).toHaveLength(1)
    expect(await countConnections()).toBe(1)
  })

  it('without signing in, with a state, or with what is no handle is refused', async () => {
    const connection = await handle()
    expect(await codeOf(await finish(null, connection))).toBe('unauthorized')
    const callback = await issuersAnswer()
    const state = callback.searchParams.get('state')
    expect(await codeOf(await finish(ann, state))).toBe('invalid_connection')
    for (const wrong of [undefined, null, 1, '', 'x', ['x'], 'é'.repeat(43)]) {
      expect(await codeOf(await finish(ann, wrong))).toBe('invalid_request')
    }
    expect((await finish(ann, connection)).status).toBe(201)
  })

  it('after ten minutes is refused', async () => {
    const connection = await handle()
    await sql`update public.oauth_states set expires_at = clock_timestamp() where organization_id = ${ann.organization.id}`
    expect(await codeOf(await finish(ann, connection))).toBe('invalid_connection')
  })

  it('after a change of the endpoint is refused: the tokens are not for that server', async () => {
    const connection = await handle()
    await ann.client
      .from('mcp_configurations')
      .update({ endpoint: 'https://other.example/mcp' })
      .eq('id', configurationId)
    expect(await codeOf(await finish(ann, connection))).toBe('invalid_connection')
    expect(await countConnections()).toBe(0)
  })

  it('with a change of the endpoint during the exchange stores nothing and revokes', async () => {
    const connection = await handle()
    const { issuer } = servers
    issuer.revocations.length = 0
    issuer.intercept = async (request) => {
      if (request.url !== '/token') return false
      issuer.intercept = null
      await ann.client
        .from('mcp_configurations')
        .update({ endpoint: 'https://other.example/mcp' })
        .eq('id', configurationId)
      return false
    }
    expect(await codeOf(await finish(ann, connection))).toBe('mcp_configuration_not_found')
    expect(issuer.revocations.map((form) => form.token_type_hint)).toEqual([
      'refresh_token',
      'access_token',
    ])
    expect(await countConnections()).toBe(0)
  })

  it('with a code that the issuer refuses is authorization_failed and stores nothing', async () => {
    const callback = await issuersAnswer()
    callback.searchParams.set('code', 'another')
    const page = await follow(worker, callback)
    const answer = await finish(ann, page.searchParams.get('connection'))
    expect(await codeOf(answer)).toBe('authorization_failed')
    expect(await countConnections()).toBe(0)
  })

  it.each([
    ['HTML', 'text/html', '<h1>hello</h1>', 'authorization_server_error'],
    ['no token', 'application/json', '{"token_type":"Bearer"}', 'authorization_server_error'],
    [
      'another kind of token',
      'application/json',
      '{"access_token":"a","token_type":"DPoP"}',
      'authorization_server_error',
    ],
    [
      'a token with a line end',
      'application/json',
      '{"access_token":"a\\r\\nx: y","token_type":"Bearer"}',
      'authorization_server_error',
    ],
  ])('with %s from the token endpoint stores nothing', async (_, type, body, code) => {
    const connection = await handle()
    servers.issuer.intercept = (request, response) => {
      if (request.url !== '/token') return false
      response.writeHead(200, { 'content-type': type }).end(body)
      return true
    }
    const answer = await finish(ann, connection)
    servers.issuer.intercept = null
    expect(await codeOf(answer)).toBe(code)
    expect(await countConnections()).toBe(0)
  })
})

describe('two organizations with the same server', () => {
  it('share neither client nor connection', async () => {
    const bob = await signUpWithOrganization('bob')
    const bobs = await addConfiguration(bob, servers.server.endpoint)
    await connect(worker, ann, configurationId)
    await connect(worker, bob, bobs)
    const rows = await sql<{ organization_id: string; client_id: string; access_token: string }[]>`
      select organization_id, client_id, access_token from public.mcp_oauth_tokens
      where mcp_configuration_id in (${configurationId}, ${bobs})`
    expect(rows).toHaveLength(2)
    expect(new Set(rows.map((row) => row.client_id)).size).toBe(2)
    const refused = await worker.call(bob, 'POST', '/connections', {
      mcp_configuration_id: configurationId,
      redirect_to: redirectTo,
    })
    expect(await codeOf(refused)).toBe('mcp_configuration_not_found')
  })
})
