import { beforeAll, describe, expect, it } from 'vitest'
import { callFunction } from '../../support/agents/invoke.ts'
import { browse } from '../../support/oauth/browser.ts'
import { addConfiguration, setEndpoint } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'
import { useStack } from '../../support/stack/stack.ts'

const sql = connectOwner()

let servers: Fixture
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ;[servers, ann] = await Promise.all([startServers(), signUpWithOrganization('ann')])
})

describe('the function under Deno, behind the gateway', () => {
  const call = async (method: string, path: string, body?: unknown) =>
    callFunction(`oauth${path}`, { method, token: await accessToken(ann), body })

  it('connects, refreshes and disconnects', async () => {
    const configurationId = await addConfiguration(ann, servers.server.endpoint)
    const begun = await call('POST', '/connections', {
      mcp_configuration_id: configurationId,
      redirect_to: 'http://localhost:3000/settings?tab=servers',
    })
    expect(begun.status).toBe(201)
    const { authorization_url: url } = (await begun.json()) as { authorization_url: string }
    const callback = await browse(url)
    expect(`${callback.origin}${callback.pathname}`).toMatch(
      new RegExp(`^${useStack().url}/functions/v1/oauth/callback/[0-9a-f]{64}$`),
    )
    const page = await fetch(callback, { redirect: 'manual' })
    expect([
      page.status,
      page.headers.get('cache-control'),
      page.headers.get('referrer-policy'),
    ]).toEqual([303, 'no-store', 'no-referrer'])
    const location = new URL(page.headers.get('location') ?? '')
    expect(location.href).toMatch(
      /^http:\/\/localhost:3000\/settings\?tab=servers&connection=[\w-]{43}$/,
    )

    const connection = location.searchParams.get('connection')
    const finished = await call('POST', '/connections/finish', { connection })
    expect(finished.status).toBe(201)
    const { id } = (await finished.json()) as { id: number }
    const refreshed = await call('POST', `/connections/${id}/refresh`)
    expect(await refreshed.json()).toMatchObject({ id, expires_at: expect.any(String) as string })
    const gone = await call('DELETE', `/connections/${id}`)
    expect(await gone.json()).toEqual({ id, revoked: true })
    expect(servers.issuer.tokenRequests.map((form) => form.grant_type)).toEqual([
      'authorization_code',
      'refresh_token',
    ])
  })

  it.each([
    ['http://169.254.169.254/', 'address_not_allowed'],
    ['https://[::ffff:10.0.0.1]/', 'address_not_allowed'],
    ['http://127.0.0.1:9/', 'server_unreachable'],
  ])('refuses %s: %s', async (endpoint, code) => {
    const configurationId = await addConfiguration(ann, 'https://mcp.example/')
    await setEndpoint(sql, configurationId, endpoint)
    const response = await call('POST', '/connections', {
      mcp_configuration_id: configurationId,
      redirect_to: 'http://localhost:3000/',
    })
    expect(await response.json()).toMatchObject({ error: { code } })
  })

  it('answers preflight requests for its methods', async () => {
    const response = await fetch(`${useStack().url}/functions/v1/oauth/connections/1`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'DELETE' },
    })
    expect(response.headers.get('access-control-allow-methods')).toContain('DELETE')
  })
})
