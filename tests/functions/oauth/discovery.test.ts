import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import {
  addConfiguration,
  authorize,
  beginConnection,
  codeOf,
  connect,
  redirectTo,
  setEndpoint,
} from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import { listen } from '../../support/oauth/http-server.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
let worker: OAuthWorker
let servers: Fixture
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ;[worker, servers, ann] = await Promise.all([
    startWorker(),
    startServers(),
    signUpWithOrganization('ann'),
  ])
})

beforeEach(() => {
  servers.server.metadata = (document) => document
  servers.issuer.changeMetadata = null
})

/** The code that beginning with an endpoint is refused with. */
async function refusal(
  endpoint: string,
  changes: Record<string, unknown> = {},
  person = ann,
  to = redirectTo,
): Promise<string> {
  const id = await addConfiguration(person, endpoint, changes)
  const body = { mcp_configuration_id: id, redirect_to: to }
  return codeOf(await worker.call(person, 'POST', '/connections', body))
}

async function nothingLeft(): Promise<void> {
  const [row] = await sql<[{ states: number; tokens: number }]>`
    select (select count(*)::int from public.oauth_states where organization_id = ${ann.organization.id}) as states,
      (select count(*)::int from public.mcp_oauth_tokens where organization_id = ${ann.organization.id}) as tokens`
  expect(row).toEqual({ states: 0, tokens: 0 })
}

describe('beginning is refused', () => {
  it('for a server that is not an MCP server', async () => {
    const html = await listen((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>')
    })
    const missing = await listen((_, response) => void response.writeHead(404).end())
    const json = await listen((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"hello":"world"}')
    })
    for (const { origin } of [html, missing, json]) {
      expect(await refusal(`${origin}/mcp`)).toBe('not_an_mcp_server')
    }
    await nothingLeft()
  })

  it('for a server that nobody reaches', async () => {
    const gone = await listen(() => undefined)
    await gone.close()
    expect(await refusal(`${gone.origin}/mcp`)).toBe('server_unreachable')
    const rude = await listen((request) => void request.socket.destroy())
    expect(await refusal(`${rude.origin}/mcp`)).toBe('server_unreachable')
    expect(await refusal('https://does-not-exist.invalid/mcp')).toBe('server_unreachable')
    await nothingLeft()
  })

  it.each([
    ...['http://10.0.0.1/mcp', 'https://10.0.0.1/mcp', 'https://169.254.169.254/latest/meta-data'],
    ...['https://[::ffff:10.0.0.1]/mcp', 'https://3232235777/mcp', 'http://example.com/mcp'],
    ...['https://user:password@example.com/mcp', 'javascript:alert(1)', 'file:///etc/passwd'],
    'not a url',
  ])('for %s, which the database does not store either', async (endpoint) => {
    await expect(addConfiguration(ann, endpoint)).rejects.toThrow('address_not_allowed')
    const id = await addConfiguration(ann, 'https://mcp.example/')
    await setEndpoint(sql, id, endpoint)
    const body = { mcp_configuration_id: id, redirect_to: redirectTo }
    const begun = await worker.call(ann, 'POST', '/connections', body)
    expect(await codeOf(begun)).toBe('address_not_allowed')
  })

  it('for a server that redirects to a private address', async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(307, { location: 'https://169.254.169.254/' }).end()
    })
    expect(await refusal(`${origin}/mcp`)).toBe('address_not_allowed')
  })

  it('for a program, with a clear error, though it can be stored', async () => {
    const { data } = await ann.client
      .from('mcp_configurations')
      .insert({
        name: 'program',
        type: 'stdio',
        command: 'npx',
        args: ['server'],
        auth_type: 'oauth',
      })
      .select('id')
      .single()
    const body = { mcp_configuration_id: data?.id, redirect_to: redirectTo }
    const response = await worker.call(ann, 'POST', '/connections', body)
    expect(response.status).toBe(422)
    expect(await codeOf(response)).toBe('mcp_stdio_not_supported')
    const key = {
      organizationId: ann.organization.id,
      userId: ann.id,
      configurationId: data?.id ?? 0,
    }
    await expect(worker.credentials.get(key)).rejects.toMatchObject({
      code: 'mcp_stdio_not_supported',
    })
  })

  it('for a configuration without OAuth, a disabled one, a foreign one and none', async () => {
    expect(await refusal(servers.server.endpoint, { auth_type: 'bearer' })).toBe('invalid_request')
    expect(await refusal(servers.server.endpoint, { enabled: false })).toBe(
      'mcp_configuration_not_found',
    )
    const bob = await signUpWithOrganization('bob')
    const bobs = await addConfiguration(bob, servers.server.endpoint)
    for (const id of [bobs, 999_999_999]) {
      const body = { mcp_configuration_id: id, redirect_to: redirectTo }
      const response = await worker.call(ann, 'POST', '/connections', body)
      expect(await codeOf(response)).toBe('mcp_configuration_not_found')
    }
  })

  it('for a body that is not as it should be', async () => {
    const id = await addConfiguration(ann, servers.server.endpoint)
    const bodies: unknown[] = [
      {},
      { mcp_configuration_id: id },
      { mcp_configuration_id: String(id), redirect_to: redirectTo },
      { mcp_configuration_id: -1, redirect_to: redirectTo },
      { mcp_configuration_id: 1.5, redirect_to: redirectTo },
      { mcp_configuration_id: id, redirect_to: 7 },
      { mcp_configuration_id: id, redirect_to: redirectTo, user_id: ann.id },
      [],
      null,
    ]
    for (const body of bodies) {
      expect(await codeOf(await worker.call(ann, 'POST', '/connections', body))).toBe(
        'invalid_request',
      )
    }
    expect(await codeOf(await worker.call(null, 'POST', '/connections', bodies[0]))).toBe(
      'unauthorized',
    )
  })

  it.each([
    'https://evil.example/connected',
    'http://127.0.0.1:3001/connected',
    'https://127.0.0.1:3000/connected',
    'http://127.0.0.1:3000.evil.example/',
    'http://evil@127.0.0.1:3000/',
    'http://127.0.0.1:3000/#fragment',
    'javascript:alert(1)//http://127.0.0.1:3000/',
    '//127.0.0.1:3000/',
    '/connected',
    '',
  ])('with redirect_to %s, before any server is asked', async (to) => {
    const id = await addConfiguration(ann, 'https://does-not-exist.invalid/mcp')
    const response = await worker.call(ann, 'POST', '/connections', {
      mcp_configuration_id: id,
      redirect_to: to,
    })
    expect(await response.json()).toMatchObject({
      error: { code: 'invalid_request', path: 'redirect_to' },
    })
  })
})

describe('the metadata of a server', () => {
  it.each<[string, (document: Record<string, unknown>) => Record<string, unknown>]>([
    [
      'for another resource',
      (document) => ({ ...document, resource: 'https://other.example/mcp' }),
    ],
    [
      'for another path',
      (document) => ({ ...document, resource: `${String(document.resource)}/deeper` }),
    ],
    ['without an authorization server', (document) => ({ ...document, authorization_servers: [] })],
    ['that is none', () => ({ hello: 'world' })],
  ])('%s is refused', async (_, change) => {
    servers.server.metadata = change
    expect(await refusal(servers.server.endpoint)).toBe('authorization_not_supported')
  })

  it('cannot lead to a private address, nor to plain http elsewhere', async () => {
    for (const issuer of ['https://169.254.169.254/', 'http://as.example/', 'https://[fd00::1]/']) {
      servers.server.metadata = (document) => ({ ...document, authorization_servers: [issuer] })
      expect(await refusal(servers.server.endpoint)).toBe('address_not_allowed')
    }
  })

  it('may be for the whole origin: `resource` is what it says', async () => {
    servers.server.metadata = (document) => ({ ...document, resource: servers.server.origin })
    const id = await addConfiguration(ann, servers.server.endpoint)
    const { authorizationUrl } = await beginConnection(worker, ann, id)
    expect(authorizationUrl.searchParams.get('resource')).toBe(servers.server.origin)
  })

  it('may be absent in a server of before: it is its own issuer, and still gets `resource`', async () => {
    const { issuer } = await startServers()
    const old = await listen((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost')
      if (pathname === '/.well-known/oauth-authorization-server') {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ ...metadata, issuer: `http://${request.headers.host}` }))
      } else {
        response.writeHead(pathname === '/mcp' ? 401 : 404).end()
      }
    })
    const answer = await fetch(`${issuer.url}/.well-known/oauth-authorization-server`)
    const metadata = (await answer.json()) as Record<string, unknown>
    const id = await addConfiguration(ann, `${old.origin}/mcp`)
    const { authorizationUrl } = await beginConnection(worker, ann, id)
    expect(authorizationUrl.searchParams.get('resource')).toBe(`${old.origin}/mcp`)
  })
})

describe('the metadata of an issuer', () => {
  type Change = (metadata: Record<string, unknown>) => Record<string, unknown>
  it.each<[string, Change, string]>([
    ['another issuer', (m) => ({ ...m, issuer: 'https://other.example' }), 'issuer_mismatch'],
    ['a longer issuer', (m) => ({ ...m, issuer: `${String(m.issuer)}/tenant` }), 'issuer_mismatch'],
    [
      'no S256',
      (m) => ({ ...m, code_challenge_methods_supported: ['plain'] }),
      'pkce_not_supported',
    ],
    [
      'no methods of PKCE',
      (m) => ({ ...m, code_challenge_methods_supported: undefined }),
      'pkce_not_supported',
    ],
    [
      'an authorization endpoint by http',
      (m) => ({ ...m, authorization_endpoint: 'http://as.example/auth' }),
      'address_not_allowed',
    ],
    [
      'a private token endpoint',
      (m) => ({ ...m, token_endpoint: 'https://10.0.0.1/token' }),
      'address_not_allowed',
    ],
    [
      'a private registration endpoint',
      (m) => ({ ...m, registration_endpoint: 'https://192.168.0.1/' }),
      'address_not_allowed',
    ],
    [
      'a script for an endpoint',
      (m) => ({ ...m, authorization_endpoint: 'javascript:alert(1)' }),
      'authorization_server_error',
    ],
    [
      'no token endpoint',
      (m) => ({ ...m, token_endpoint: undefined }),
      'authorization_server_error',
    ],
    [
      'no response type code',
      (m) => ({ ...m, response_types_supported: ['id_token'] }),
      'authorization_not_supported',
    ],
    [
      'no way to register',
      (m) => ({ ...m, registration_endpoint: undefined }),
      'registration_not_supported',
    ],
  ])('with %s is refused', async (_, change, code) => {
    servers.issuer.changeMetadata = change
    expect(await refusal(servers.server.endpoint)).toBe(code)
    await sql`delete from public.oauth_states where organization_id = ${ann.organization.id}`
  })

  it('without a declaration of S256 serves where a manager named the issuer, with a reason, on the record', async () => {
    const cleo = await signUpWithOrganization('cleo')
    const { issuer, server } = servers
    issuer.changeMetadata = (metadata) => ({
      ...metadata,
      code_challenge_methods_supported: undefined,
    })
    const exceptions = cleo.client.schema('client_mgmt').from('oauth_issuer_exceptions')
    const inserted = await exceptions.insert({
      issuer: issuer.url,
      exception: 'pkce_not_declared',
      reason: 'known to omit it',
    })
    expect(inserted.error).toBe(null)
    const id = await addConfiguration(cleo, server.endpoint)
    const { authorizationUrl } = await beginConnection(worker, cleo, id)
    expect(authorizationUrl.searchParams.get('code_challenge_method')).toBe('S256')
    const { data } = await cleo.client
      .from('audit_logs')
      .select('action, user_id')
      .eq('resource_type', 'oauth_issuer_exception')
    expect(data).toEqual([{ action: 'oauth_issuer_exception.insert', user_id: cleo.id }])
    // It is for what is not declared, not for what is declared otherwise; and for no one else.
    issuer.changeMetadata = (metadata) => ({
      ...metadata,
      code_challenge_methods_supported: ['plain'],
    })
    expect(await refusal(server.endpoint, {}, cleo)).toBe('pkce_not_supported')
    issuer.changeMetadata = (metadata) => ({
      ...metadata,
      code_challenge_methods_supported: undefined,
    })
    expect(await refusal(server.endpoint)).toBe('pkce_not_supported')
  })
})

describe("an organization's list of hosts", () => {
  it('limits servers and issuers, also of what is connected already', async () => {
    const dora = await signUpWithOrganization('dora')
    const { server } = servers
    const hosts = () => dora.client.schema('client_mgmt').from('mcp_allowed_hosts')
    const id = await addConfiguration(dora, server.endpoint)
    await connect(worker, dora, id)
    expect((await hosts().insert({ host: 'mcp.example.com' })).error).toBe(null)
    expect(await refusal(server.endpoint, {}, dora)).toBe('address_not_allowed')
    await sql`update public.mcp_oauth_tokens set expires_at = now() - interval '1 minute' where organization_id = ${dora.organization.id}`
    const key = { organizationId: dora.organization.id, userId: dora.id, configurationId: id }
    await expect(worker.credentials.get(key)).rejects.toMatchObject({ code: 'address_not_allowed' })
    expect((await hosts().insert({ host: '127.0.0.1' })).error).toBe(null)
    const { authorizationUrl } = await beginConnection(worker, dora, id)
    expect((await authorize(worker, authorizationUrl)).searchParams.has('connection')).toBe(true)
  })
})

describe('an organization-wide configuration', () => {
  it('is connected by each person for themselves', async () => {
    const id = await addConfiguration(ann, servers.server.endpoint, { user_id: null })
    await connect(worker, ann, id)
    const key = { organizationId: ann.organization.id, userId: ann.id, configurationId: id }
    expect((await worker.credentials.get(key)).token).toEqual(expect.any(String))
    const other = { ...key, userId: '0190a000-0000-7000-8000-000000000001' }
    await expect(worker.credentials.get(other)).rejects.toMatchObject({
      code: 'mcp_configuration_not_found',
    })
  })
})
