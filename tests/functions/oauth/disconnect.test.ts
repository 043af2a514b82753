import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { addConfiguration, beginConnection, codeOf, connect } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
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
let configurationId: number
let id: number

beforeAll(async () => {
  ;[worker, servers, ann] = await Promise.all([
    startWorker(),
    startServers(),
    signUpWithOrganization('ann'),
  ])
})

beforeEach(async () => {
  servers.issuer.intercept = null
  configurationId = await addConfiguration(ann, servers.server.endpoint)
  ;({ id } = await connect(worker, ann, configurationId))
  servers.issuer.revocations.length = 0
})

const key = () => ({ organizationId: ann.organization.id, userId: ann.id, configurationId })
const connections = () => sql`
  select id from public.mcp_oauth_tokens
  where organization_id = ${ann.organization.id} and mcp_configuration_id = ${configurationId}`
const states = () => sql`
  select id from public.oauth_states
  where organization_id = ${ann.organization.id} and mcp_configuration_id = ${configurationId}`

describe('disconnecting', () => {
  it('deletes here and revokes there, the refresh token first', async () => {
    const { token } = await worker.credentials.get(key())
    const response = await worker.call(ann, 'DELETE', `/connections/${id}`)
    expect(await response.json()).toEqual({ id, revoked: true })
    expect(await connections()).toHaveLength(0)
    const { revocations, provider } = servers.issuer
    expect(revocations.map((form) => form.token_type_hint)).toEqual([
      'refresh_token',
      'access_token',
    ])
    expect(await provider.AccessToken.find(token ?? '')).toBe(undefined)
    await expect(worker.credentials.get(key())).rejects.toMatchObject({
      code: 'connection_needs_authorization',
    })
    expect(await codeOf(await worker.call(ann, 'DELETE', `/connections/${id}`))).toBe(
      'connection_not_found',
    )
  })

  it.each<
    [string, (request: { url?: string | undefined; socket: { destroy(): unknown } }) => boolean]
  >([['unreachable', (request) => (request.socket.destroy(), true)]])(
    'deletes here also when the issuer is %s',
    async (_, intercept) => {
      servers.issuer.intercept = intercept
      const response = await worker.call(ann, 'DELETE', `/connections/${id}`)
      expect(await response.json()).toEqual({ id, revoked: false })
      expect(await connections()).toHaveLength(0)
    },
  )

  it('is for nobody else', async () => {
    const bob = await signUpWithOrganization('bob')
    expect(await codeOf(await worker.call(bob, 'DELETE', `/connections/${id}`))).toBe(
      'connection_not_found',
    )
    expect(await codeOf(await worker.call(null, 'DELETE', `/connections/${id}`))).toBe(
      'unauthorized',
    )
    expect(await connections()).toHaveLength(1)
  })
})

describe('a connection ends', () => {
  const update = (changes: Record<string, unknown>) =>
    ann.client
      .from('mcp_configurations')
      .update(changes as never)
      .eq('id', configurationId)

  it.each([
    ['endpoint', { endpoint: 'https://other.example/mcp' }],
    ['kind of authorization', { auth_type: 'none' }],
    ['type', { type: 'sse' }],
  ])('with another %s, and so does an authorization under way', async (_, changes) => {
    await beginConnection(worker, ann, configurationId)
    expect((await update(changes)).error).toBe(null)
    expect(await connections()).toHaveLength(0)
    expect(await states()).toHaveLength(0)
  })

  it('not with another name, which follows, nor by switching off, which suspends', async () => {
    expect((await update({ name: 'renamed' })).error).toBe(null)
    const { data } = await ann.client.rpc('mcp_connections')
    expect(data?.find((row) => row.id === id)).toMatchObject({ mcp_name: 'renamed' })
    await update({ enabled: false })
    await expect(worker.credentials.get(key())).rejects.toMatchObject({
      code: 'mcp_configuration_not_found',
    })
    await update({ enabled: true, name: `renamed-${id}` })
    expect((await worker.credentials.get(key())).token).toEqual(expect.any(String))
  })

  it('with the membership', async () => {
    const bob = await joinOrganization(ann)
    const shared = await addConfiguration(ann, servers.server.endpoint, { user_id: null })
    await connect(worker, bob, shared)
    const bobs = { ...key(), userId: bob.id, configurationId: shared }
    expect((await worker.credentials.get(bobs)).token).toEqual(expect.any(String))
    expect((await ann.client.rpc('remove_member', { user_id: bob.id })).error).toBe(null)
    await expect(worker.credentials.get(bobs)).rejects.toMatchObject({
      code: 'mcp_configuration_not_found',
    })
    const left = await sql`select from public.mcp_oauth_tokens where user_id = ${bob.id}`
    expect(left).toHaveLength(0)
  })
})

describe('a bearer token', () => {
  const bearer = () => addConfiguration(ann, servers.server.endpoint, { auth_type: 'bearer' })
  const put = (person: Person | null, configuration: number, token: unknown) =>
    worker.call(person, 'PUT', `/configurations/${configuration}/bearer-token`, { token })
  const credential = (configuration: number) =>
    worker.credentials.get({ ...key(), configurationId: configuration })

  it('is sealed, used, replaced and removed, and never comes back', async () => {
    const configuration = await bearer()
    await expect(credential(configuration)).rejects.toMatchObject({
      code: 'connection_needs_authorization',
    })
    const response = await put(ann, configuration, 'canary-bearer')
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(await credential(configuration)).toMatchObject({
      token: 'canary-bearer',
      endpoint: servers.server.endpoint,
    })
    const read = await ann.client.from('mcp_configurations').select('*').eq('id', configuration)
    expect(read.data).toMatchObject([{ id: configuration, auth_type: 'bearer' }])
    expect(JSON.stringify(read.data)).not.toContain('v1.')
    await put(ann, configuration, 'another')
    expect((await credential(configuration)).token).toBe('another')
    const removed = await worker.call(
      ann,
      'DELETE',
      `/configurations/${configuration}/bearer-token`,
    )
    expect(removed.status).toBe(204)
    await expect(credential(configuration)).rejects.toMatchObject({
      code: 'connection_needs_authorization',
    })
    const { data } = await ann.client
      .from('audit_logs')
      .select('action, actor, acting:details->>user_id')
      .eq('resource_id', String(configuration))
      .like('action', '%bearer_token')
      .order('sequence')
    const byAnn = { actor: 'service_role', acting: ann.id }
    expect(data).toEqual([
      { action: 'mcp_configuration.set_bearer_token', ...byAnn },
      { action: 'mcp_configuration.set_bearer_token', ...byAnn },
      { action: 'mcp_configuration.remove_bearer_token', ...byAnn },
    ])
  })

  it('is gone after a change of the endpoint', async () => {
    const configuration = await bearer()
    await put(ann, configuration, 'secret')
    await ann.client
      .from('mcp_configurations')
      .update({ endpoint: 'https://other.example/' })
      .eq('id', configuration)
    await expect(credential(configuration)).rejects.toMatchObject({
      code: 'connection_needs_authorization',
    })
  })

  it('of the organization needs mcp.manage; of another one is not found; of another kind is refused', async () => {
    const shared = await addConfiguration(ann, servers.server.endpoint, {
      user_id: null,
      auth_type: 'bearer',
    })
    const bob = await signUpWithOrganization('bob')
    expect(await codeOf(await put(bob, shared, 'x'))).toBe('mcp_configuration_not_found')
    expect(await codeOf(await put(null, shared, 'x'))).toBe('unauthorized')
    expect(await codeOf(await put(ann, configurationId, 'x'))).toBe('invalid_request')
    for (const token of ['', 'a b', 'a\nb', 'é', 'x'.repeat(20_000), 1, null]) {
      expect(await codeOf(await put(ann, shared, token))).toBe('invalid_request')
    }
    const colleague = await joinOrganization(ann)
    expect(await codeOf(await put(colleague, shared, 'x'))).toBe('permission_denied')
  })
})

it('unknown routes and methods are refused as everywhere', async () => {
  expect(await codeOf(await worker.call(ann, 'GET', '/connections'))).toBe('method_not_allowed')
  for (const path of ['/callback', '/callback/issuer']) {
    expect(await codeOf(await worker.call(ann, 'POST', path))).toBe('method_not_allowed')
  }
  expect(await codeOf(await worker.call(ann, 'GET', '/callback/issuer/more'))).toBe('not_found')
  expect(await codeOf(await worker.call(ann, 'GET', '/nothing'))).toBe('not_found')
})
