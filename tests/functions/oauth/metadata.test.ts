import { describe, expect, it } from 'vitest'
import { addConfiguration, beginConnection } from '../../support/oauth/connect.ts'
import { useDiscovery } from '../../support/oauth/discovery.ts'
import { startServers } from '../../support/oauth/fixture.ts'
import { listen } from '../../support/oauth/http-server.ts'
import { signUpWithOrganization } from '../../support/people/people.ts'

const made = useDiscovery()
const { sql } = made

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
    made.servers.server.metadata = change
    expect(await made.refusal(made.servers.server.endpoint)).toBe('authorization_not_supported')
  })

  it('cannot lead to a private address, nor to plain http elsewhere', async () => {
    for (const issuer of ['https://169.254.169.254/', 'http://as.example/', 'https://[fd00::1]/']) {
      made.servers.server.metadata = (document) => ({
        ...document,
        authorization_servers: [issuer],
      })
      expect(await made.refusal(made.servers.server.endpoint)).toBe('address_not_allowed')
    }
  })

  it('may be for the whole origin: `resource` is what it says', async () => {
    made.servers.server.metadata = (document) => ({
      ...document,
      resource: made.servers.server.origin,
    })
    const id = await addConfiguration(made.ann, made.servers.server.endpoint)
    const { authorizationUrl } = await beginConnection(made.worker, made.ann, id)
    expect(authorizationUrl.searchParams.get('resource')).toBe(made.servers.server.origin)
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
    const id = await addConfiguration(made.ann, `${old.origin}/mcp`)
    const { authorizationUrl } = await beginConnection(made.worker, made.ann, id)
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
    made.servers.issuer.changeMetadata = change
    expect(await made.refusal(made.servers.server.endpoint)).toBe(code)
    await sql`delete from public.oauth_states where organization_id = ${made.ann.organization.id}`
  })

  it('without a declaration of S256 serves where a manager named the issuer, with a reason, on the record', async () => {
    const cleo = await signUpWithOrganization('cleo')
    const { issuer, server } = made.servers
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
    const { authorizationUrl } = await beginConnection(made.worker, cleo, id)
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
    expect(await made.refusal(server.endpoint, {}, cleo)).toBe('pkce_not_supported')
    issuer.changeMetadata = (metadata) => ({
      ...metadata,
      code_challenge_methods_supported: undefined,
    })
    expect(await made.refusal(server.endpoint)).toBe('pkce_not_supported')
  })
})
