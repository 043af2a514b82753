import { beforeAll, expect, it } from 'vitest'
import { createToolServers } from '../../../supabase/functions/_shared/tools/create-tool-servers.ts'
import type { ToolDefinition } from '../../../supabase/functions/_shared/tools/tool-server.ts'
import { type OAuthWorker, startWorker } from '../../support/oauth/app.ts'
import { addConfiguration, connect } from '../../support/oauth/connect.ts'
import { type Fixture, startServers } from '../../support/oauth/fixture.ts'
import {
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()
const never = new AbortController().signal
let worker: OAuthWorker
let servers: Fixture
let ann: Person & { organization: Organization }

beforeAll(async () => {
  ;[worker, servers, ann] = await Promise.all([
    startWorker(),
    startServers({ hasSessions: true }),
    signUpWithOrganization('ann'),
  ])
})

it('registration, calls, rotation, a restart of the server in mid-run, and revocation', async () => {
  const { issuer, server } = servers
  const configurationId = await addConfiguration(ann, server.endpoint)
  const { id } = await connect(worker, ann, configurationId)
  expect(issuer.registrations).toHaveLength(1)
  expect(issuer.tokenRequests).toMatchObject([
    { grant_type: 'authorization_code', resource: server.endpoint },
  ])

  // A run of the person: the tools of the server, over a session.
  const { allowLoopback } = worker.deps.settings
  const opened = createToolServers({ ...worker.deps, allowLoopback })({
    ...{ organizationId: ann.organization.id, userId: ann.id, configurationId },
    ...{ type: 'http', endpoint: server.endpoint },
  })
  const { tools } = await opened.list(never)
  const [add] = tools as [ToolDefinition]
  const sum = async (a: number, b: number) => (await opened.call(add, { a, b }, never)).result.text
  expect(await sum(1, 2)).toBe('3')

  // The access token is over: the next call refreshes it, and the issuer rotates the refresh token.
  await sql`
    update public.mcp_oauth_tokens
    set expires_at = now() - interval '1 minute', refreshed_at = now() - interval '1 hour'
    where organization_id = ${ann.organization.id} and id = ${id}`
  expect(await sum(2, 3)).toBe('5')
  expect(issuer.tokenRequests.at(-1)).toMatchObject({
    grant_type: 'refresh_token',
    resource: server.endpoint,
  })
  const first = server.tokens.find((token) => token !== null)
  expect(server.tokens.at(-1)).not.toBe(first)

  // The server restarts and has forgotten its sessions: the call is made once, in a new one.
  const made = server.calls.length
  server.restart()
  expect(await sum(3, 4)).toBe('7')
  expect(server.calls.slice(made)).toEqual(['add'])
  await opened.close()

  // Rotation: each refresh token was used once.
  await worker.credentials.refresh({
    ...{ organizationId: ann.organization.id, userId: ann.id, configurationId },
  })
  const used = issuer.tokenRequests.flatMap((form) => form.refresh_token ?? [])
  expect(new Set(used).size).toBe(used.length)

  const token = server.tokens.at(-1) ?? ''
  const gone = await worker.call(ann, 'DELETE', `/connections/${id}`)
  expect(await gone.json()).toEqual({ id, revoked: true })
  expect(issuer.revocations.map((form) => form.token_type_hint)).toEqual([
    'refresh_token',
    'access_token',
  ])
  expect(await issuer.provider.AccessToken.find(token)).toBeUndefined()
  expect(issuer.registrations).toHaveLength(1)
})
