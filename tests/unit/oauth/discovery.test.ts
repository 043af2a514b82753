import { describe, expect, it } from 'vitest'
import { readChallenge } from '../../../supabase/functions/_shared/oauth/challenge.ts'
import type { OAuthConfiguration } from '../../../supabase/functions/_shared/oauth/open-configuration.ts'
import { discover } from '../../../supabase/functions/_shared/oauth/discover.ts'
import type { KeyedServer } from '../../../supabase/functions/_shared/oauth/with-keys.ts'
import { OutboundError } from '../../../supabase/functions/_shared/outbound/error.ts'
import { scriptedFetch } from '../../support/oauth/scripted-fetch.ts'

const endpoint = 'https://mcp.example/mcp'
const resourceUrl = 'https://mcp.example/.well-known/oauth-protected-resource/mcp'
const issuerUrl = 'https://as.example/.well-known/oauth-authorization-server'
const challenge = () =>
  new Response(null, {
    status: 401,
    headers: { 'www-authenticate': `Bearer resource_metadata="${resourceUrl}"` },
  })
const resource = { resource: endpoint, authorization_servers: ['https://as.example'] }
const issuer = {
  issuer: 'https://as.example',
  authorization_endpoint: 'https://as.example/authorize',
  token_endpoint: 'https://as.example/token',
  response_types_supported: ['code'],
  code_challenge_methods_supported: ['S256'],
}
const configuration: OAuthConfiguration & KeyedServer = {
  organization_id: 1,
  user_id: 'u',
  id: 1,
  type: 'http',
  endpoint,
  auth_type: 'oauth',
  oauth_resource: null,
  enabled: true,
  shared: false,
  scope: null,
  required_scope: null,
  allowed_hosts: null,
  pkce_exceptions: [],
  headers: {},
}
const find = (answers: Record<string, unknown>, changes: Partial<OAuthConfiguration> = {}) =>
  discover(
    scriptedFetch({
      [endpoint]: challenge(),
      [resourceUrl]: resource,
      [issuerUrl]: issuer,
      ...answers,
    }),
    { ...configuration, ...changes },
    false,
  )

describe('metadata that is a little off is used', () => {
  it.each<[string, Record<string, unknown>]>([
    [
      'nulls in the issuer’s',
      { [issuerUrl]: { ...issuer, scopes_supported: null, registration_endpoint: null } },
    ],
    [
      'an empty text in it',
      { [issuerUrl]: { ...issuer, service_documentation: '', revocation_endpoint: '' } },
    ],
    [
      'a field of another type in it',
      { [issuerUrl]: { ...issuer, token_endpoint_auth_methods_supported: 'none', jwks_uri: 7 } },
    ],
    ['no response types', { [issuerUrl]: { ...issuer, response_types_supported: null } }],
    [
      'a slash at the end of the issuer',
      { [issuerUrl]: { ...issuer, issuer: 'https://as.example/' } },
    ],
    [
      'a slash where the resource names it',
      { [resourceUrl]: { ...resource, authorization_servers: ['https://as.example/'] } },
    ],
    [
      'a slash at the end of the resource',
      { [resourceUrl]: { ...resource, resource: `${endpoint}/` } },
    ],
    [
      'nulls in the resource’s',
      { [resourceUrl]: { ...resource, scopes_supported: null, bearer_methods_supported: null } },
    ],
    [
      'the first of two issuers dead',
      {
        [resourceUrl]: {
          ...resource,
          authorization_servers: ['https://dead.example', 'https://as.example'],
        },
        'https://dead.example/.well-known/oauth-authorization-server': new OutboundError(
          'unreachable',
          'x',
        ),
      },
    ],
    [
      'the first of two issuers without S256',
      {
        [resourceUrl]: {
          ...resource,
          authorization_servers: ['https://old.example', 'https://as.example'],
        },
        'https://old.example/.well-known/oauth-authorization-server': {
          ...issuer,
          issuer: 'https://old.example',
          code_challenge_methods_supported: null,
        },
      },
    ],
    [
      'a page where the first address is',
      {
        [issuerUrl]: new Response('<html>'),
        'https://as.example/.well-known/openid-configuration': issuer,
      },
    ],
    [
      'a resource whose named address is gone',
      {
        [endpoint]: new Response(null, {
          status: 401,
          headers: { 'www-authenticate': 'Bearer resource_metadata="https://mcp.example/gone"' },
        }),
      },
    ],
  ])('%s', async (_what, answers) => {
    const found = await find(answers)
    expect(found.metadata.document.token_endpoint).toBe('https://as.example/token')
  })
})

describe('the keys of a server', () => {
  it('are in the requests to it, and in none to an authorization server, also at its origin', async () => {
    const own = 'https://mcp.example'
    const found = {
      ...issuer,
      issuer: own,
      authorization_endpoint: `${own}/a`,
      token_endpoint: `${own}/t`,
    }
    const elsewhere = 'https://docs.example/metadata'
    const named = { 'www-authenticate': `Bearer resource_metadata="${elsewhere}"` }
    const fetch = scriptedFetch({
      [endpoint]: new Response(null, { status: 401, headers: named }),
      [resourceUrl]: { ...resource, authorization_servers: ['https://dead.example', own] },
      [`${own}/.well-known/oauth-authorization-server`]: found,
    })
    await discover(fetch, { ...configuration, headers: { 'x-key': 'secret' } }, false)
    const keyed = fetch.requested.filter(({ headers }) => headers['x-key'] === 'secret')
    const plain = fetch.requested.filter(({ headers }) => headers['x-key'] === undefined)
    expect(keyed.map(({ url }) => url)).toEqual([endpoint, resourceUrl])
    expect(plain.map(({ url }) => url)).toContain(elsewhere)
    expect(plain.map(({ url }) => url)).toContain(`${own}/.well-known/oauth-authorization-server`)
  })
})

describe('what protects stays strict', () => {
  it('names no resource with the query of an endpoint, which may hold a key', async () => {
    const keyed = `${endpoint}?api_key=K`
    const found = await find(
      { [keyed]: challenge(), [resourceUrl]: { ...resource, resource: keyed } },
      { endpoint: keyed },
    )
    expect(found.resource).toBe(endpoint)
    const other = `${endpoint}?tenant=a`
    const named = await find({ [resourceUrl]: { ...resource, resource: other } })
    expect(named.resource).toBe(other)
  })

  it.each<[string, Record<string, unknown>]>([
    ['issuer_mismatch', { [issuerUrl]: { ...issuer, issuer: 'https://other.example' } }],
    ['issuer_mismatch', { [issuerUrl]: { ...issuer, issuer: 'https://as.example/tenant' } }],
    ['issuer_mismatch', { [issuerUrl]: { ...issuer, issuer: 'https://as.example//' } }],
    ['issuer_mismatch', { [issuerUrl]: { ...issuer, issuer: 'HTTPS://as.example' } }],
    ['pkce_not_supported', { [issuerUrl]: { ...issuer, code_challenge_methods_supported: null } }],
    [
      'pkce_not_supported',
      { [issuerUrl]: { ...issuer, code_challenge_methods_supported: ['plain'] } },
    ],
    [
      'address_not_allowed',
      { [issuerUrl]: { ...issuer, token_endpoint: 'https://10.0.0.1/token' } },
    ],
    [
      'address_not_allowed',
      { [issuerUrl]: { ...issuer, authorization_endpoint: 'http://as.example/a' } },
    ],
    [
      'authorization_not_supported',
      { [resourceUrl]: { ...resource, resource: 'https://other.example/mcp' } },
    ],
    [
      'authorization_not_supported',
      { [resourceUrl]: { ...resource, resource: 'https://mcp.example/mc' } },
    ],
    [
      'authorization_not_supported',
      { [resourceUrl]: { ...resource, resource: 'https://mcp.example/mcp/below' } },
    ],
    [
      'authorization_not_supported',
      { [issuerUrl]: { ...issuer, response_types_supported: ['token'] } },
    ],
    ['authorization_server_error', { [issuerUrl]: { ...issuer, token_endpoint: null } }],
    [
      'authorization_server_error',
      {
        [issuerUrl]: new Response(null, {
          status: 302,
          headers: { location: 'https://evil.example/' },
        }),
        'https://evil.example/': issuer,
      },
    ],
  ])('%s', async (code, answers) => {
    await expect(find(answers)).rejects.toMatchObject({ code })
  })

  it('is temporary where the server may be well again', async () => {
    for (const status of [500, 503, 429]) {
      await expect(find({ [issuerUrl]: new Response(null, { status }) })).rejects.toMatchObject({
        code: 'authorization_server_unreachable',
      })
    }
  })
})

describe('a challenge', () => {
  it.each([
    ['Bearer scope="a b", error="x"', { scope: 'a b', error: 'x' }],
    ['Basic realm="x", Bearer scope="a"', { scope: 'a' }],
    ['Bearer scope="a", Basic realm="y", scope="b"', { scope: 'a' }],
    ['Bearer scope="a" , error="x" ,Basic realm="y"', { scope: 'a', error: 'x' }],
    ['Negotiate, bearer SCOPE=a,error=b', { scope: 'a', error: 'b' }],
    ['Basic realm="Bearer scope=evil, Bearer scope=evil"', {}],
    ['Basic realm="a\\", Bearer scope=evil", Bearer error="e"', { error: 'e' }],
    ['Bearer scope="a" error="x"', { scope: 'a', error: 'x' }],
    ['Bearer scope="a"; error=x', { scope: 'a', error: 'x' }],
    ['Negotiate Bearer scope="a"', { scope: 'a' }],
    ['Basic realm="x" Bearer scope="a"', { scope: 'a' }],
    ['Basic dXNlcjpwYXNz==, Bearer scope = "a"', { scope: 'a' }],
    ['  Bearer scope="a",', { scope: 'a' }],
    ['Bearer', {}],
    ['DPoP scope="a"', {}],
    ['', {}],
  ])('%s', (header, expected) => {
    const read = readChallenge(new Headers({ 'www-authenticate': header }))
    const said = Object.entries(read).filter(([, value]) => value !== undefined)
    expect(Object.fromEntries(said)).toEqual(expected)
  })

  it('of any length is read in time', () => {
    for (const piece of ['a=', 'Bearer ', '"', 'a="\\', ', ', 'x ', ' ', '; ', 'x=y ']) {
      readChallenge(new Headers({ 'www-authenticate': piece.repeat(30_000) }))
    }
  })
})
