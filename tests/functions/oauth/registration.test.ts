import { beforeAll, describe, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { browse } from '../../support/oauth/browser.ts'
import {
  addConfiguration,
  beginConnection,
  codeOf,
  connect,
  redirectTo,
  redirectUriFor,
} from '../../support/oauth/connect.ts'
import { startServers } from '../../support/oauth/fixture.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
let worker: OAuthWorker
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ;[worker, ann] = await Promise.all([startWorker(), signUpWithOrganization('ann')])
})

describe('registration', () => {
  it('happens once per issuer, though twenty begin at once in many workers', async () => {
    const { issuer, server } = await startServers()
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => addConfiguration(ann, server.endpoint)),
    )
    const workers = await Promise.all(Array.from({ length: 5 }, () => startWorker()))
    const begun = await Promise.all(
      ids.map((id, index) => beginConnection(workers[index % 5] ?? worker, ann, id)),
    )
    expect(issuer.registrations).toHaveLength(1)
    const clients = begun.map(({ authorizationUrl }) =>
      authorizationUrl.searchParams.get('client_id'),
    )
    expect(new Set(clients)).toEqual(new Set(issuer.registrations))
    expect(await connect(worker, ann, ids[0] ?? 0)).toMatchObject({ issuer: issuer.url })
  })

  it('that fails leaves nothing behind, and the next one may try again', async () => {
    const { issuer, server } = await startServers()
    const id = await addConfiguration(ann, server.endpoint)
    issuer.intercept = (request, response) => {
      if (request.url !== '/reg') return false
      response
        .writeHead(403, { 'content-type': 'application/json' })
        .end('{"error":"access_denied"}')
      return true
    }
    const body = { mcp_configuration_id: id, redirect_to: 'http://127.0.0.1:3000/' }
    expect(await codeOf(await worker.call(ann, 'POST', '/connections', body))).toBe(
      'registration_failed',
    )
    const left = await sql`select from client_mgmt.oauth_clients where issuer = ${issuer.url}`
    expect(left).toHaveLength(0)
    issuer.intercept = null
    await connect(worker, ann, id)
  })

  it('is done anew when the secret has expired', async () => {
    const { issuer, server } = await startServers()
    const id = await addConfiguration(ann, server.endpoint)
    await connect(worker, ann, id)
    await sql`update client_mgmt.oauth_clients set secret_expires_at = now() where issuer = ${issuer.url}`
    await connect(worker, ann, id)
    expect(issuer.registrations).toHaveLength(2)
  })

  it('is done anew when it was with another redirect URI', async () => {
    const { issuer, server } = await startServers()
    const id = await addConfiguration(ann, server.endpoint)
    await connect(worker, ann, id)
    const moved = await startWorker({ OAUTH_PUBLIC_URL: 'http://127.0.0.1:9/functions/v1/oauth' })
    const { authorizationUrl } = await beginConnection(moved, ann, id)
    expect(authorizationUrl.searchParams.get('redirect_uri')).toBe(
      redirectUriFor(moved, issuer.url),
    )
    expect((await browse(authorizationUrl.href)).port).toBe('9')
    expect(issuer.registrations).toHaveLength(2)
    await connect(worker, ann, id)
    expect(issuer.registrations).toHaveLength(2)
  })

  it('with another redirect URI leaves the connections of others working', async () => {
    const { issuer, server } = await startServers()
    const member = await joinOrganization(ann)
    const id = await addConfiguration(member, server.endpoint)
    await connect(worker, member, id)
    const moved = await startWorker({ OAUTH_PUBLIC_URL: 'http://127.0.0.1:9/functions/v1/oauth' })
    await beginConnection(moved, ann, await addConfiguration(ann, server.endpoint))
    expect(issuer.registrations).toHaveLength(2)
    const key = { organizationId: ann.organization.id, userId: member.id, configurationId: id }
    expect((await moved.credentials.refresh(key)).generation).toBe(2)
    // The rotation of keys goes from place to place: two secrets at one would be taken for one.
    const places = await sql`
      select distinct row_key from private.sealed_values
      where table_name = 'private.oauth_client_secrets' and strpos(row_key, ${issuer.url}) > 0`
    expect(places).toHaveLength(2)
  })

  it('that is not possible says which redirect URI a client that is entered needs', async () => {
    const { issuer, server } = await startServers({ registration: false })
    const id = await addConfiguration(ann, server.endpoint)
    const body = { mcp_configuration_id: id, redirect_to: redirectTo }
    const response = await worker.call(ann, 'POST', '/connections', body)
    expect(response.status).toBe(422)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    expect(error.code).toBe('registration_not_supported')
    expect(error.message).toContain(redirectUriFor(worker, issuer.url))
  })
})

describe('a client that was entered', () => {
  const client = {
    client_id: 'entered:client',
    client_secret: 'entered secret+/%',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code' as const],
    token_endpoint_auth_method: 'client_secret_basic' as const,
    application_type: 'native' as const,
  }
  const clients = (issuer: string) => [
    { ...client, redirect_uris: [redirectUriFor(worker, issuer)] },
  ]

  it('is used before any other way, with its secret, which never comes back', async () => {
    const { issuer, server } = await startServers({ clients })
    const id = await addConfiguration(ann, server.endpoint)
    const response = await worker.call(ann, 'PUT', '/clients', {
      issuer: issuer.url,
      client_id: client.client_id,
      client_secret: client.client_secret,
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      id: expect.any(Number) as number,
      issuer: issuer.url,
      client_id: client.client_id,
      source: 'preregistered',
      redirect_uri: redirectUriFor(worker, issuer.url),
    })
    await connect(worker, ann, id)
    expect(issuer.registrations).toEqual([])
    const rows = ann.client.schema('client_mgmt').from('oauth_clients')
    const { data } = await rows.select('*').eq('issuer', issuer.url)
    expect(data).toMatchObject([
      { issuer: issuer.url, client_id: client.client_id, source: 'preregistered' },
    ])
    expect(JSON.stringify(data)).not.toContain('v1.')
    const refreshed = await worker.credentials.refresh({
      organizationId: ann.organization.id,
      userId: ann.id,
      configurationId: id,
    })
    expect(refreshed.generation).toBe(2)
  })

  it('that the issuer refuses can be corrected: the connection stays', async () => {
    const { issuer, server } = await startServers({ clients })
    const id = await addConfiguration(ann, server.endpoint)
    const put = (secret: string) =>
      worker.call(ann, 'PUT', '/clients', {
        issuer: issuer.url,
        client_id: client.client_id,
        client_secret: secret,
      })
    await put(client.client_secret)
    await connect(worker, ann, id)
    await put('wrong')
    const key = { organizationId: ann.organization.id, userId: ann.id, configurationId: id }
    await expect(worker.credentials.refresh(key)).rejects.toMatchObject({ code: 'client_rejected' })
    await put(client.client_secret)
    expect((await worker.credentials.refresh(key)).generation).toBe(2)
  })

  it('is entered with mcp.manage only, and nobody else is shown one', async () => {
    const member = await joinOrganization(ann)
    const body = { issuer: 'https://as.example', client_id: 'x' }
    expect(await codeOf(await worker.call(member, 'PUT', '/clients', body))).toBe(
      'permission_denied',
    )
    expect(await codeOf(await worker.call(null, 'PUT', '/clients', body))).toBe('unauthorized')
    const { data } = await member.client.schema('client_mgmt').from('oauth_clients').select('id')
    expect(data).toEqual([])
  })

  it('is checked: no other issuer than a URL, no line end in a secret', async () => {
    for (const body of [
      { issuer: 'as', client_id: 'x' },
      { issuer: 'javascript:alert(1)', client_id: 'x' },
      { issuer: 'https://as.example', client_id: '' },
      { issuer: 'https://as.example', client_id: 'x', client_secret: 'a\r\nb' },
      { issuer: 'https://as.example', client_id: 'x', token_endpoint_auth_method: 'tls' },
      { issuer: 'https://as.example', client_id: 'x', organization_id: 1 },
    ]) {
      expect(await codeOf(await worker.call(ann, 'PUT', '/clients', body))).toBe('invalid_request')
    }
  })
})

describe('the client id metadata document', () => {
  it('is our client id where it is https and the issuer takes it', async () => {
    const { issuer, server } = await startServers()
    issuer.changeMetadata = (metadata) => ({
      ...metadata,
      client_id_metadata_document_supported: true,
    })
    const id = await addConfiguration(ann, server.endpoint)
    const hosted = await startWorker({
      OAUTH_PUBLIC_URL: 'https://api.example/functions/v1/oauth/',
    })
    const { authorizationUrl } = await beginConnection(hosted, ann, id)
    expect(Object.fromEntries(authorizationUrl.searchParams)).toMatchObject({
      client_id: 'https://api.example/functions/v1/oauth/client-metadata.json',
      redirect_uri: 'https://api.example/functions/v1/oauth/callback',
    })
    expect(issuer.registrations).toEqual([])
    const local = await beginConnection(worker, ann, id)
    expect(local.authorizationUrl.searchParams.get('client_id')).toBe(issuer.registrations[0])
  })

  it('is not used where answers have no iss: it names one callback for all issuers', async () => {
    const hosted = await startWorker({ OAUTH_PUBLIC_URL: 'https://api.example/functions/v1/oauth' })
    const withoutIss = (metadata: Record<string, unknown>) => ({
      ...metadata,
      client_id_metadata_document_supported: true,
      authorization_response_iss_parameter_supported: false,
    })
    const { issuer, server } = await startServers()
    issuer.changeMetadata = withoutIss
    const { authorizationUrl } = await beginConnection(
      hosted,
      ann,
      await addConfiguration(ann, server.endpoint),
    )
    expect(Object.fromEntries(authorizationUrl.searchParams)).toMatchObject({
      client_id: issuer.registrations[0],
      redirect_uri: redirectUriFor(hosted, issuer.url),
    })
    const closed = await startServers({ registration: false })
    closed.issuer.changeMetadata = withoutIss
    const refused = await hosted.call(ann, 'POST', '/connections', {
      mcp_configuration_id: await addConfiguration(ann, closed.server.endpoint),
      redirect_to: redirectTo,
    })
    expect(await codeOf(refused)).toBe('registration_not_supported')
  })

  it('names itself and the callback, and has no secret', async () => {
    const hosted = await startWorker({ OAUTH_PUBLIC_URL: 'https://api.example/functions/v1/oauth' })
    const response = await hosted.call(null, 'GET', '/client-metadata.json')
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toEqual({
      client_id: 'https://api.example/functions/v1/oauth/client-metadata.json',
      client_name: 'Colloquy',
      redirect_uris: ['https://api.example/functions/v1/oauth/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'web',
    })
  })
})
