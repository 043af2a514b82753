import { describe, expect, it } from 'vitest'
import {
  addConfiguration,
  authorize,
  beginConnection,
  codeOf,
  connect,
  redirectTo,
  setEndpoint,
} from '../../support/oauth/connect.ts'
import { useDiscovery } from '../../support/oauth/discovery.ts'
import { listen } from '../../support/oauth/http-server.ts'
import { signUpWithOrganization } from '../../support/people/people.ts'

const made = useDiscovery()
const { sql } = made

async function nothingLeft(): Promise<void> {
  const [row] = await sql<[{ states: number; tokens: number }]>`
    select (select count(*)::int from public.oauth_states where organization_id = ${made.ann.organization.id}) as states,
      (select count(*)::int from public.mcp_oauth_tokens where organization_id = ${made.ann.organization.id}) as tokens`
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
      expect(await made.refusal(`${origin}/mcp`)).toBe('not_an_mcp_server')
    }
    await nothingLeft()
  })

  it('for a server that nobody reaches', async () => {
    const gone = await listen(() => undefined)
    await gone.close()
    expect(await made.refusal(`${gone.origin}/mcp`)).toBe('server_unreachable')
    const rude = await listen((request) => void request.socket.destroy())
    expect(await made.refusal(`${rude.origin}/mcp`)).toBe('server_unreachable')
    expect(await made.refusal('https://does-not-exist.invalid/mcp')).toBe('server_unreachable')
    await nothingLeft()
  })

  it.each([
    ...['http://10.0.0.1/mcp', 'https://10.0.0.1/mcp', 'https://169.254.169.254/latest/meta-data'],
    ...['https://[::ffff:10.0.0.1]/mcp', 'https://3232235777/mcp', 'http://example.com/mcp'],
    ...['https://user:password@example.com/mcp', 'javascript:alert(1)', 'file:///etc/passwd'],
    'not a url',
  ])('for %s, which the database does not store either', async (endpoint) => {
    await expect(addConfiguration(made.ann, endpoint)).rejects.toThrow('address_not_allowed')
    const id = await addConfiguration(made.ann, 'https://mcp.example/')
    await setEndpoint(sql, id, endpoint)
    const body = { mcp_configuration_id: id, redirect_to: redirectTo }
    const begun = await made.worker.call(made.ann, 'POST', '/connections', body)
    expect(await codeOf(begun)).toBe('address_not_allowed')
  })

  it('for a server that redirects to a private address', async () => {
    const { origin } = await listen((_, response) => {
      response.writeHead(307, { location: 'https://169.254.169.254/' }).end()
    })
    expect(await made.refusal(`${origin}/mcp`)).toBe('address_not_allowed')
  })

  it('for a program, with a clear error, though it can be stored', async () => {
    const { data } = await made.ann.client
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
    const response = await made.worker.call(made.ann, 'POST', '/connections', body)
    expect(response.status).toBe(422)
    expect(await codeOf(response)).toBe('mcp_stdio_not_supported')
    const key = {
      organizationId: made.ann.organization.id,
      userId: made.ann.id,
      configurationId: data?.id ?? 0,
    }
    await expect(made.worker.credentials.get(key)).rejects.toMatchObject({
      code: 'mcp_stdio_not_supported',
    })
  })

  it('for a configuration without OAuth, a disabled one, a foreign one and none', async () => {
    expect(await made.refusal(made.servers.server.endpoint, { auth_type: 'bearer' })).toBe(
      'invalid_request',
    )
    expect(await made.refusal(made.servers.server.endpoint, { enabled: false })).toBe(
      'mcp_configuration_not_found',
    )
    const bob = await signUpWithOrganization('bob')
    const bobs = await addConfiguration(bob, made.servers.server.endpoint)
    for (const id of [bobs, 999_999_999]) {
      const body = { mcp_configuration_id: id, redirect_to: redirectTo }
      const response = await made.worker.call(made.ann, 'POST', '/connections', body)
      expect(await codeOf(response)).toBe('mcp_configuration_not_found')
    }
  })

  it('for a body that is not as it should be', async () => {
    const id = await addConfiguration(made.ann, made.servers.server.endpoint)
    const bodies: unknown[] = [
      {},
      { mcp_configuration_id: id },
      { mcp_configuration_id: String(id), redirect_to: redirectTo },
      { mcp_configuration_id: -1, redirect_to: redirectTo },
      { mcp_configuration_id: 1.5, redirect_to: redirectTo },
      { mcp_configuration_id: id, redirect_to: 7 },
      { mcp_configuration_id: id, redirect_to: redirectTo, user_id: made.ann.id },
      [],
      null,
    ]
    for (const body of bodies) {
      expect(await codeOf(await made.worker.call(made.ann, 'POST', '/connections', body))).toBe(
        'invalid_request',
      )
    }
    expect(await codeOf(await made.worker.call(null, 'POST', '/connections', bodies[0]))).toBe(
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
    const id = await addConfiguration(made.ann, 'https://does-not-exist.invalid/mcp')
    const response = await made.worker.call(made.ann, 'POST', '/connections', {
      mcp_configuration_id: id,
      redirect_to: to,
    })
    expect(await response.json()).toMatchObject({
      error: { code: 'invalid_request', path: 'redirect_to' },
    })
  })
})

describe("an organization's list of hosts", () => {
  it('limits servers and issuers, also of what is connected already', async () => {
    const dora = await signUpWithOrganization('dora')
    const { server } = made.servers
    const hosts = () => dora.client.schema('client_mgmt').from('mcp_allowed_hosts')
    const id = await addConfiguration(dora, server.endpoint)
    await connect(made.worker, dora, id)
    expect((await hosts().insert({ host: 'mcp.example.com' })).error).toBe(null)
    expect(await made.refusal(server.endpoint, {}, dora)).toBe('address_not_allowed')
    await sql`update public.mcp_oauth_tokens set expires_at = now() - interval '1 minute' where organization_id = ${dora.organization.id}`
    const key = { organizationId: dora.organization.id, userId: dora.id, configurationId: id }
    await expect(made.worker.credentials.get(key)).rejects.toMatchObject({
      code: 'address_not_allowed',
    })
    expect((await hosts().insert({ host: '127.0.0.1' })).error).toBe(null)
    const { authorizationUrl } = await beginConnection(made.worker, dora, id)
    expect((await authorize(made.worker, authorizationUrl)).searchParams.has('connection')).toBe(
      true,
    )
  })
})

describe('an organization-wide configuration', () => {
  it('is connected by each person for themselves', async () => {
    const id = await addConfiguration(made.ann, made.servers.server.endpoint, { user_id: null })
    await connect(made.worker, made.ann, id)
    const key = {
      organizationId: made.ann.organization.id,
      userId: made.ann.id,
      configurationId: id,
    }
    expect((await made.worker.credentials.get(key)).token).toEqual(expect.any(String))
    const other = { ...key, userId: '0190a000-0000-7000-8000-000000000001' }
    await expect(made.worker.credentials.get(other)).rejects.toMatchObject({
      code: 'mcp_configuration_not_found',
    })
  })
})
