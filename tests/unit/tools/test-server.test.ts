import { describe, expect, it } from 'vitest'
import type { Database } from '../../../supabase/functions/_shared/database.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { OutboundError } from '../../../supabase/functions/_shared/outbound/error.ts'
import {
  testServer,
  type TestServerDependencies,
} from '../../../supabase/functions/_shared/tools/test-server.ts'
import { fakeLog, fakeServer } from '../../support/agents/tool-fakes.ts'
import { scriptedFetch } from '../../support/oauth/scripted-fetch.ts'
import type { ToolServer } from '../../../supabase/functions/_shared/tools/tool-server.ts'

const endpoint = 'https://mcp.example/mcp'
const row = {
  organization_id: 1,
  user_id: 'u',
  id: 7,
  type: 'http',
  endpoint,
  auth_type: 'none',
  oauth_resource: null,
  enabled: true,
  shared: false,
  scope: null,
  required_scope: null,
  allowed_hosts: null,
  pkce_exceptions: [],
}
const caller = { accessToken: 't', userId: 'u', organizationId: 1 } as never
const refusing = (code: ConstructorParameters<typeof AppError>[0]) => () =>
  Promise.reject(new AppError(code, { cause: 'the cause' }))

function test(
  list: ToolServer['list'],
  changes = {},
  answers = {},
  reached: boolean | null = null,
) {
  const { log, entries } = fakeLog()
  const database = {
    forCaller: () => ({ call: () => Promise.resolve({ ...row, ...changes }) }),
    admin: { call: () => Promise.resolve({ endpoint, headers: [] }) },
  } as unknown as Database
  let closed = 0
  const close = () => Promise.resolve(void (closed += 1))
  const deps = {
    database,
    log,
    outbound: () => scriptedFetch(answers),
    clock: { now: () => 0 },
    settings: { allowLoopback: false },
    openToolServer: () => fakeServer({ list, close, reached: () => reached }),
  } as unknown as TestServerDependencies
  return testServer(deps, caller, 7).then((found) => ({ found, entries, closed }))
}

describe('a test of a configuration says', () => {
  it('the protocol, the tools and what is left out of a server that can be used', async () => {
    const refused = [{ name: 'x', code: 'tool_unusable', reason: 'has no name' }] as const
    const { found, closed } = await test(async () => ({
      tools: [
        { name: 'a', title: 'A', input_schema: {} },
        { name: 'b', input_schema: {} },
      ],
      refused,
      incomplete: 'the cursor does not advance',
      ttl: 60,
      era: 'older',
    }))
    expect(found).toEqual({
      usable: true,
      reachable: true,
      era: 'older',
      tools: [
        { name: 'a', title: 'A' },
        { name: 'b', title: null },
      ],
      refused,
      incomplete: 'the cursor does not advance',
      problem: null,
      sign_in: null,
      issuer: null,
    })
    expect(closed).toBe(1)
  })

  it.each([
    ['server_unreachable', false, null],
    ['address_not_allowed', null, null],
    ['connection_busy', null, null],
    ['credential_unreadable', null, 'you'],
    ['server_forbids', true, null],
    ['server_needs_credential', true, 'you'],
  ] as const)('%s as it is, and logs its cause', async (code, reachable, signIn) => {
    const { found, entries, closed } = await test(refusing(code), {}, {}, reachable)
    expect(found).toMatchObject({ usable: false, reachable, problem: { code }, sign_in: signIn })
    expect(entries).toMatchObject([{ event: 'mcp_server_tested', code }])
    expect(entries[0]?.detail).toContain('the cause')
    expect(closed).toBe(1)
  })

  it('who enters a credential: a manager for the organization’s, each person signs in alone', async () => {
    const missing = refusing('connection_needs_authorization')
    const shared = await test(missing, { shared: true, auth_type: 'bearer' })
    expect(shared.found.sign_in).toBe('manager')
    expect((await test(missing, { auth_type: 'bearer' })).found.sign_in).toBe('you')
    const insufficient = refusing('insufficient_scope')
    const oauth = await test(insufficient, { shared: true, auth_type: 'oauth' })
    expect(oauth.found.sign_in).toBe('you')
  })

  it('where to sign in, or why that does not work', async () => {
    const missing = refusing('connection_needs_authorization')
    const issuer = 'https://as.example'
    const answers = {
      [endpoint]: new Response(null, { status: 401 }),
      'https://mcp.example/.well-known/oauth-protected-resource': {
        resource: endpoint,
        authorization_servers: [issuer],
      },
      'https://as.example/.well-known/oauth-authorization-server': {
        issuer,
        authorization_endpoint: `${issuer}/a`,
        token_endpoint: `${issuer}/t`,
        code_challenge_methods_supported: ['S256'],
      },
    }
    const { found } = await test(missing, { auth_type: 'oauth' }, answers)
    expect(found).toMatchObject({
      issuer,
      reachable: true,
      sign_in: 'you',
      problem: { code: 'connection_needs_authorization' },
    })
    const none = await test(missing, { auth_type: 'oauth' }, { [endpoint]: answers[endpoint] })
    expect(none.found).toMatchObject({
      issuer: null,
      reachable: true,
      sign_in: null,
      problem: { code: 'authorization_not_supported' },
    })
  })

  it('that the server is not reached where the way to sign in begins with its silence', async () => {
    const missing = refusing('connection_needs_authorization')
    const silent = { [endpoint]: new OutboundError('timeout', 'no answer') }
    const { found } = await test(missing, { auth_type: 'oauth' }, silent)
    expect(found).toMatchObject({ reachable: false, problem: { code: 'server_unreachable' } })
  })

  it('that a program is never run, without asking anything', async () => {
    const { found } = await test(refusing('internal_error'), { type: 'stdio', endpoint: null })
    expect(found).toMatchObject({ reachable: null, problem: { code: 'mcp_stdio_not_supported' } })
  })
})
