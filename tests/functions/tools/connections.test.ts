import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  addTenant,
  callsOf,
  chunksOf,
  executionOf,
  ofType,
  startToolAgents,
  type Tenant,
  type ToolAgents,
} from '../../support/agents/tool-agents.ts'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { connect } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import { accessToken, type Person } from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
let agents: ToolAgents
let oauth: OAuthWorker
let servers: Fixture

beforeAll(async () => {
  agents = await startToolAgents()
  oauth = await startWorker()
  servers = await startServers()
})
afterAll(() => agents.close())

const add = { name: 'tools__add', args: { a: 20, b: 22 } }
const ask = async ({ agent }: Tenant, person: Person) => {
  const response = await agents.worker.invoke(person, { agent, message: { content: 'Add' } })
  const id = response.headers.get('x-execution-id') ?? ''
  return { id, chunks: chunksOf(await response.text()) }
}

describe('a tool behind OAuth', () => {
  it('is called with the person’s own connection, refreshed when it is over', async () => {
    const { server, issuer } = servers
    const ann = await addTenant(sql)
    const id = await ann.addServer(server.endpoint, 'auto', { auth_type: 'oauth' })
    const connection = await connect(oauth, ann.person, id)
    server.tokens.length = 0

    agents.script(add, 'It is 42.')
    const first = await ask(ann, ann.person)
    expect(await callsOf(sql, first.id)).toMatchObject([{ status: 'success', text: '42' }])
    expect(await executionOf(sql, first.id)).toMatchObject({ content: 'It is 42.' })
    const before = new Set(server.tokens)
    expect(before.size).toBe(1)
    expect([...before][0]).not.toBe(await accessToken(ann.person))

    await sql`
      update public.mcp_oauth_tokens
      set expires_at = clock_timestamp() - interval '1 minute', refreshed_at = clock_timestamp() - interval '1 hour'
      where id = ${connection.id} and organization_id = ${ann.person.organization.id}`
    server.tokens.length = 0
    const refreshes = issuer.tokenRequests.length
    agents.script(add, 'It is 42.')
    const second = await ask(ann, ann.person)
    expect(await callsOf(sql, second.id)).toMatchObject([{ status: 'success' }])
    expect(issuer.tokenRequests).toHaveLength(refreshes + 1)
    expect(server.tokens).not.toContain([...before][0])
  })

  it('whose token is refused in the middle causes one refresh and one more try', async () => {
    const { server, issuer } = servers
    const ann = await addTenant(sql)
    const id = await ann.addServer(server.endpoint, 'auto', { auth_type: 'oauth' })
    await connect(oauth, ann.person, id)
    agents.script('Hello.')
    await ask(ann, ann.person)
    const [token] = server.tokens.slice(-1)
    const found = await issuer.provider.AccessToken.find(token ?? '')
    await found?.destroy()
    const refreshes = issuer.tokenRequests.length
    agents.script(add, 'It is 42.')
    const { id: execution } = await ask(ann, ann.person)
    expect(await callsOf(sql, execution)).toMatchObject([{ status: 'success', text: '42' }])
    expect(issuer.tokenRequests).toHaveLength(refreshes + 1)
  })

  it('is not there for a colleague who has not connected, who is told so', async () => {
    const ann = await addTenant(sql)
    const id = await ann.addServer(servers.server.endpoint, 'auto', { auth_type: 'oauth' })
    await connect(oauth, ann.person, id)
    const bob = await joinOrganization(ann.person)
    const seen = servers.server.tokens.length
    agents.script(add, 'I have no tools.')
    const { chunks } = await ask(ann, bob)
    expect(ofType(chunks, 'data-tool-notice')).toMatchObject([
      { data: { server: 'tools', code: 'connection_needs_authorization' } },
    ])
    expect(agents.asked()[0]).not.toHaveProperty('tools')
    expect(servers.server.tokens).toHaveLength(seen)
  })

  it('is gone with the connection, also for what was listed before', async () => {
    const ann = await addTenant(sql)
    const id = await ann.addServer(servers.server.endpoint, 'auto', { auth_type: 'oauth' })
    const connection = await connect(oauth, ann.person, id)
    agents.script('Hello.')
    await ask(ann, ann.person)
    await sql`
      update client_mgmt.mcp_tool_listings set expires_at = now() + interval '1 hour'
      where organization_id = ${ann.person.organization.id}`
    await oauth.call(ann.person, 'DELETE', `/connections/${connection.id}`)
    const seen = servers.server.tokens.length
    agents.script(add, 'I could not.')
    const { id: execution } = await ask(ann, ann.person)
    expect(await callsOf(sql, execution)).toMatchObject([
      { status: 'error', error_code: 'connection_needs_authorization' },
    ])
    expect(servers.server.tokens).toHaveLength(seen)
  })

  it('in two organizations goes by two connections', async () => {
    const { server } = servers
    const [ann, eve] = [await addTenant(sql), await addTenant(sql)]
    const tokens: (string | null)[][] = []
    for (const tenant of [ann, eve]) {
      const id = await tenant.addServer(server.endpoint, 'auto', { auth_type: 'oauth' })
      await connect(oauth, tenant.person, id)
      server.tokens.length = 0
      agents.script(add, 'It is 42.')
      await ask(tenant, tenant.person)
      tokens.push([...new Set(server.tokens)])
    }
    expect(tokens.map((each) => each.length)).toEqual([1, 1])
    expect(tokens[0]).not.toEqual(tokens[1])
  })
})
