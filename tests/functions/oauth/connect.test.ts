import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { beforeAll, describe, expect, it } from 'vitest'
import { createAuthorizedFetch } from '../../../supabase/functions/_shared/oauth/authorized-fetch.ts'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import {
  addConfiguration,
  authorize,
  beginConnection,
  connect,
  redirectUriFor,
} from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'

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

/** Calls the server's tool as the agents' runtime will. */
async function add(
  person: Person & { organization: Organization },
  configurationId: number,
  mode: 'auto' | 'legacy',
) {
  const key = { organizationId: person.organization.id, userId: person.id, configurationId }
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
  const fetch = createAuthorizedFetch(worker.deps, worker.credentials, key)
  await client.connect(
    new StreamableHTTPClientTransport(new URL(servers.server.endpoint), { fetch }),
  )
  try {
    const result = await client.callTool({ name: 'add', arguments: { a: 2, b: 3 } })
    return { result: result.content, version: client.getNegotiatedProtocolVersion() }
  } finally {
    await client.close()
  }
}

describe('connecting an MCP server', () => {
  it('asks the issuer with PKCE, state, resource and scopes, and ends with a tool call', async () => {
    const { issuer, server } = servers
    const configurationId = await addConfiguration(ann, server.endpoint)
    const { authorizationUrl, expiresAt } = await beginConnection(worker, ann, configurationId)
    expect(authorizationUrl.origin).toBe(issuer.url)
    expect(Object.fromEntries(authorizationUrl.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      resource: server.endpoint,
      redirect_uri: redirectUriFor(worker, issuer.url),
      scope: 'mcp:tools offline_access',
    })
    const lifetime = Date.parse(expiresAt) - Date.now()
    expect(lifetime).toBeGreaterThan(9 * 60_000)
    expect(lifetime).toBeLessThanOrEqual(10 * 60_000)

    const page = await authorize(worker, authorizationUrl)
    expect([...page.searchParams.keys()]).toEqual(['connection'])
    expect(issuer.tokenRequests).toEqual([])
    const connection = page.searchParams.get('connection')
    const finished = await worker.call(ann, 'POST', '/connections/finish', { connection })
    expect(finished.status).toBe(201)
    expect(await finished.json()).toMatchObject({
      mcp_configuration_id: configurationId,
      issuer: issuer.url,
    })
    expect(issuer.tokenRequests).toMatchObject([
      { grant_type: 'authorization_code', resource: server.endpoint },
    ])
    expect(await add(ann, configurationId, 'auto')).toEqual({
      result: [{ type: 'text', text: '5' }],
      version: '2026-07-28',
    })
    expect(await add(ann, configurationId, 'legacy')).toMatchObject({
      result: [{ type: 'text', text: '5' }],
      version: '2025-11-25',
    })
  })

  it('shows the connection to its person and to no other', async () => {
    const configurationId = await addConfiguration(ann, servers.server.endpoint)
    const { id } = await connect(worker, ann, configurationId)
    const { data } = await ann.client.rpc('mcp_connections')
    expect(data?.find((row) => row.id === id)).toMatchObject({
      mcp_configuration_id: configurationId,
      status: 'connected',
      issuer: servers.issuer.url,
      endpoint: servers.server.endpoint,
    })
    const bob = await signUpWithOrganization('bob')
    expect((await bob.client.rpc('mcp_connections')).data).toEqual([])
  })
})
