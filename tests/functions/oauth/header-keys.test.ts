import { beforeAll, describe, expect, it } from 'vitest'
import { createAuthorizedFetch } from '../../../supabase/functions/_shared/oauth/authorized-fetch.ts'
import { withWholeEndpoint } from '../../../supabase/functions/_shared/oauth/open-configuration.ts'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { addConfiguration, codeOf, connect, redirectTo } from '../../support/oauth/connect.ts'
import { startServers } from '../../support/oauth/fixture.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'

const endpoint = 'https://keys.example/mcp'
let worker: OAuthWorker
let ann: Person & { organization: Organization }
let colleague: Person

beforeAll(async () => {
  ;[worker, ann] = await Promise.all([startWorker(), signUpWithOrganization('ann')])
  colleague = await joinOrganization(ann)
})

const shared = (at = endpoint) => addConfiguration(ann, at, { user_id: null, auth_type: 'none' })
const put = (person: Person | null, id: number, name: string, body: object) =>
  worker.call(person, 'PUT', `/configurations/${id}/headers/${name}`, body)
const remove = (person: Person, id: number, name: string, owner: string) =>
  worker.call(person, 'DELETE', `/configurations/${id}/headers/${name}?owner=${owner}`)

/** What a request of the person carries to the address, and where it goes. */
async function sent(person: Person, id: number, address = endpoint) {
  const requests: { url: string; headers: Record<string, string> }[] = []
  const key = { organizationId: ann.organization.id, userId: person.id, configurationId: id }
  const outbound =
    () =>
    async (url: string | URL, init: RequestInit = {}) => {
      const headers = Object.fromEntries(new Headers(init.headers).entries())
      requests.push({ url: String(url), headers })
      return Promise.resolve(new Response())
    }
  await createAuthorizedFetch({ ...worker.deps, outbound }, worker.credentials, key)(address)
  return requests[0]
}

describe('a key in a header', () => {
  it('is the organization’s, and for a person who has one their own', async () => {
    const id = await shared()
    const values = { value: 'of all', owner: 'organization' }
    expect((await put(ann, id, 'X-Api-Key', values)).status).toBe(204)
    expect((await put(ann, id, 'x-tenant', { ...values, value: 'tenant' })).status).toBe(204)
    expect((await put(colleague, id, 'x-api-key', { value: 'of one' })).status).toBe(204)
    expect((await sent(ann, id))?.headers).toEqual({ 'x-api-key': 'of all', 'x-tenant': 'tenant' })
    expect((await sent(colleague, id))?.headers).toEqual({
      'x-api-key': 'of one',
      'x-tenant': 'tenant',
    })
    expect((await remove(colleague, id, 'X-API-KEY', 'me')).status).toBe(204)
    expect((await sent(colleague, id))?.headers).toMatchObject({ 'x-api-key': 'of all' })
  })

  it('goes to the origin of the endpoint only', async () => {
    const id = await shared()
    await put(ann, id, 'x-api-key', { value: 'secret' })
    expect((await sent(ann, id, 'https://keys.example/other'))?.headers).toEqual({
      'x-api-key': 'secret',
    })
    for (const other of ['https://other.example/mcp', 'https://keys.example:444/mcp']) {
      expect((await sent(ann, id, other))?.headers).toEqual({})
    }
  })

  it('is listed by name, never by value, and the log has the name alone', async () => {
    const id = await shared()
    await put(ann, id, 'x-org', { value: 'canary-org', owner: 'organization' })
    await put(colleague, id, 'x-mine', { value: 'canary-mine' })
    const list = async (person: Person) => {
      const { data } = await person.client.rpc('mcp_header_keys')
      return data?.filter((row) => row.mcp_configuration_id === id).map(({ name }) => name)
    }
    expect(await list(ann)).toEqual(['x-org'])
    expect(await list(colleague)).toEqual(['x-mine', 'x-org'])
    await remove(ann, id, 'x-org', 'organization')
    const { data } = await ann.client
      .from('audit_logs')
      .select('*')
      .eq('resource_id', String(id))
      .like('action', '%header_key')
      .order('sequence')
    expect(data).toMatchObject([
      { action: 'mcp_configuration.set_header_key', details: { name: 'x-org' } },
      { action: 'mcp_configuration.set_header_key', details: { name: 'x-mine' } },
      { action: 'mcp_configuration.remove_header_key', details: { name: 'x-org' } },
    ])
    expect(JSON.stringify(data)).not.toMatch(/canary|v1\./)
  })

  it('of the organization needs mcp.manage, and a person’s configuration has none', async () => {
    const id = await shared()
    const organizations = { value: 'x', owner: 'organization' }
    expect(await codeOf(await put(colleague, id, 'x-key', organizations))).toBe('permission_denied')
    expect(await codeOf(await remove(colleague, id, 'x-key', 'organization'))).toBe(
      'permission_denied',
    )
    expect(await codeOf(await put(null, id, 'x-key', organizations))).toBe('unauthorized')
    const stranger = await signUpWithOrganization('stranger')
    expect(await codeOf(await put(stranger, id, 'x-key', { value: 'x' }))).toBe(
      'mcp_configuration_not_found',
    )
    const own = await addConfiguration(ann, endpoint, { auth_type: 'none' })
    expect(await codeOf(await put(ann, own, 'x-key', organizations))).toBe('invalid_request')
    expect(await codeOf(await put(colleague, own, 'x-key', { value: 'x' }))).toBe(
      'mcp_configuration_not_found',
    )
  })

  it('has a name and a value that a header can have, and there are at most 16', async () => {
    const id = await shared()
    for (const name of ['host', 'Mcp-Session-Id', 'content-type', 'a%20b', 'x'.repeat(65)]) {
      expect(await codeOf(await put(ann, id, name, { value: 'x' })), name).toBe('invalid_request')
    }
    for (const value of ['', 'a\r\nb: c', ' x', 'é', 'x'.repeat(9_000), 1, null]) {
      expect(await codeOf(await put(ann, id, 'x-key', { value }))).toBe('invalid_request')
    }
    for (let n = 0; n < 16; n += 1) {
      expect((await put(ann, id, `x-key-${n}`, { value: 'x' })).status).toBe(204)
    }
    expect(await codeOf(await put(ann, id, 'x-one-more', { value: 'x' }))).toBe('quota_exceeded')
    expect((await put(ann, id, 'x-key-3', { value: 'another' })).status).toBe(204)
  })

  it('is no `authorization` where the configuration has a token for that header', async () => {
    const withToken = (auth_type: string) =>
      addConfiguration(ann, endpoint, { user_id: null, auth_type })
    for (const id of [await withToken('bearer'), await withToken('oauth')]) {
      const refused = await put(ann, id, 'Authorization', { value: 'Basic x' })
      expect([refused.status, await codeOf(refused)]).toEqual([400, 'invalid_request'])
      expect((await put(ann, id, 'x-api-key', { value: 'x' })).status).toBe(204)
      expect((await remove(ann, id, 'authorization', 'me')).status).toBe(204)
    }
    const id = await shared()
    expect((await put(ann, id, 'authorization', { value: 'Basic x' })).status).toBe(204)
    expect((await sent(ann, id))?.headers).toEqual({ authorization: 'Basic x' })
  })

  it('is not stored for another server than the person saw, and is gone after a change of it', async () => {
    const id = await shared()
    await put(ann, id, 'x-key', { value: 'x', endpoint })
    await ann.client
      .from('mcp_configurations')
      .update({ endpoint: 'https://moved.example/mcp' })
      .eq('id', id)
    expect((await sent(ann, id, 'https://moved.example/mcp'))?.headers).toEqual({})
    expect(await codeOf(await put(ann, id, 'x-key', { value: 'x', endpoint }))).toBe(
      'mcp_configuration_changed',
    )
    const moved = { value: 'x', endpoint: 'https://moved.example/mcp' }
    expect((await put(ann, id, 'x-key', moved)).status).toBe(204)
  })
})

describe('a gateway that wants a key in a header and a token', () => {
  it('is connected and used with the key of its person, which no issuer sees', async () => {
    const { issuer, server } = await startServers()
    server.requiredKey = 'of one'
    const seen: string[] = []
    issuer.intercept = (request) => (seen.push(JSON.stringify(request.headers)), false)
    const id = await addConfiguration(ann, server.endpoint, { user_id: null })
    const body = { mcp_configuration_id: id, redirect_to: redirectTo }
    const begin = (person: Person) => worker.call(person, 'POST', '/connections', body)
    expect(await codeOf(await begin(colleague))).toBe('not_an_mcp_server')
    await put(ann, id, 'x-gateway-key', { value: 'of all', owner: 'organization' })
    expect(await codeOf(await begin(colleague))).toBe('not_an_mcp_server')
    await put(colleague, id, 'x-gateway-key', { value: 'of one' })
    await connect(worker, colleague, id)
    const tested = await worker.call(colleague, 'POST', `/configurations/${id}/test`)
    expect(await tested.json()).toMatchObject({ usable: true, tools: [{ name: 'add' }] })
    // Another person's key does not help.
    expect(await codeOf(await begin(ann))).toBe('not_an_mcp_server')
    expect(seen.length).toBeGreaterThan(3)
    expect(seen.join()).not.toMatch(/x-gateway-key|of one|of all/)
  })
})

describe('the query of an endpoint', () => {
  const secret = 'canary-query'

  it('reaches the server, and is read by who may change the configuration alone', async () => {
    const id = await shared(`${endpoint}?api_key=${secret}`)
    const read = async (person: Person) => {
      const rows = person.client.from('mcp_configurations')
      const { data } = await rows.select('endpoint').eq('id', id).single()
      return data?.endpoint ?? ''
    }
    const named = await read(ann)
    expect(named).toMatch(/^https:\/\/keys\.example\/mcp\?redacted=\d+$/)
    expect(await read(colleague)).toBe(named)
    expect((await sent(colleague, id, named))?.url).toBe(`${endpoint}?api_key=${secret}`)
    expect((await sent(colleague, id, 'https://keys.example/other'))?.url).not.toContain(secret)
    expect((await ann.client.rpc('read_mcp_endpoint', { id })).data).toBe(
      `${endpoint}?api_key=${secret}`,
    )
    const refused = await colleague.client.rpc('read_mcp_endpoint', { id })
    expect(refused.error?.message).toBe('permission_denied')
    const { data } = await ann.client.from('audit_logs').select('*').eq('resource_id', String(id))
    expect(data?.length).toBeGreaterThan(0)
    expect(JSON.stringify(data)).not.toContain(secret)
  })

  it('is read for the endpoint that the request saw, and for no later one', async () => {
    const id = await shared(`${endpoint}?api_key=${secret}`)
    const seen = { id, organization_id: ann.organization.id, user_id: ann.id, endpoint }
    await expect(withWholeEndpoint(worker.deps, seen)).rejects.toMatchObject({
      code: 'mcp_configuration_changed',
    })
  })

  it('stays when the row is written back, and goes to no other person’s configuration', async () => {
    const id = await shared(`${endpoint}?key=${secret}`)
    const rows = () => ann.client.from('mcp_configurations')
    const { data } = await rows().select('*').eq('id', id).single()
    const named = data?.endpoint ?? ''
    await put(ann, id, 'x-key', { value: 'kept' })
    for (const again of [named, `${endpoint}?key=${secret}`]) {
      await rows().update({ endpoint: again }).eq('id', id)
      const reached = await sent(ann, id, named)
      expect(reached).toMatchObject({
        url: `${endpoint}?key=${secret}`,
        headers: { 'x-key': 'kept' },
      })
    }
    const taken = { name: 'taken', type: 'http', endpoint: named, auth_type: 'none' }
    const { error } = await colleague.client.from('mcp_configurations').insert(taken)
    expect(error?.message).toBe('invalid_request')
  })
})
