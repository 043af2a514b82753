import { describe, expect, it } from 'vitest'
import {
  addConfiguration,
  codeOf,
  connect,
  follow,
  redirectTo,
} from '../../support/oauth/connect.ts'
import { joinOrganization } from '../../support/oauth/join.ts'
import { type Person, signUpWithOrganization } from '../../support/people/people.ts'
import { untilServed } from '../../support/stack/until-answered.ts'
import { useAuthorization } from '../../support/oauth/authorization.ts'

const made = useAuthorization()
const { sql } = made

async function countConnections(): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int from public.mcp_oauth_tokens
    where organization_id = ${made.ann.organization.id} and mcp_configuration_id = ${made.configurationId}`
  return row.count
}

describe('finishing', () => {
  async function handle(): Promise<string> {
    const page = await follow(made.worker, await made.issuersAnswer())
    return page.searchParams.get('connection') ?? ''
  }
  const finish = (person: Person | null, connection: unknown) =>
    made.worker.call(person, 'POST', '/connections/finish', { connection })

  it('as another person is refused, in the same organization too, and ends the authorization', async () => {
    const stranger = await signUpWithOrganization('stranger')
    const colleague = await joinOrganization(made.ann)
    for (const other of [stranger, colleague]) {
      const connection = await handle()
      expect(await codeOf(await finish(other, connection))).toBe('invalid_connection')
      expect(await codeOf(await finish(made.ann, connection))).toBe('invalid_connection')
    }
    expect(made.servers.issuer.tokenRequests).toEqual([])
    expect(await countConnections()).toBe(0)
    const { data } = await made.ann.client
      .from('audit_logs')
      .select('user_id, success, error_message, details')
      .eq('action', 'mcp_connection.finish')
      .order('sequence')
    expect(data).toMatchObject([
      {
        user_id: stranger.id,
        success: false,
        error_message: 'finished_by_someone_else',
        details: { began_by: made.ann.id },
      },
      { user_id: colleague.id, success: false },
    ])
  })

  it('is once: of fifty at once one stores a connection', async () => {
    const connection = await handle()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => untilServed(() => finish(made.ann, connection))),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(49)
    expect(made.servers.issuer.tokenRequests).toHaveLength(1)
    expect(await countConnections()).toBe(1)
  })

  it('without signing in, with a state, or with what is no handle is refused', async () => {
    const connection = await handle()
    expect(await codeOf(await finish(null, connection))).toBe('unauthorized')
    const callback = await made.issuersAnswer()
    const state = callback.searchParams.get('state')
    expect(await codeOf(await finish(made.ann, state))).toBe('invalid_connection')
    for (const wrong of [undefined, null, 1, '', 'x', ['x'], 'é'.repeat(43)]) {
      expect(await codeOf(await finish(made.ann, wrong))).toBe('invalid_request')
    }
    expect((await finish(made.ann, connection)).status).toBe(201)
  })

  it('after ten minutes is refused', async () => {
    const connection = await handle()
    await sql`update public.oauth_states set expires_at = clock_timestamp() where organization_id = ${made.ann.organization.id}`
    expect(await codeOf(await finish(made.ann, connection))).toBe('invalid_connection')
  })

  it('after a change of the endpoint is refused: the tokens are not for that server', async () => {
    const connection = await handle()
    await made.ann.client
      .from('mcp_configurations')
      .update({ endpoint: 'https://other.example/mcp' })
      .eq('id', made.configurationId)
    expect(await codeOf(await finish(made.ann, connection))).toBe('invalid_connection')
    expect(await countConnections()).toBe(0)
  })

  it('with a change of the endpoint during the exchange stores nothing and revokes', async () => {
    const connection = await handle()
    const { issuer } = made.servers
    issuer.revocations.length = 0
    issuer.intercept = async (request) => {
      if (request.url !== '/token') return false
      issuer.intercept = null
      await made.ann.client
        .from('mcp_configurations')
        .update({ endpoint: 'https://other.example/mcp' })
        .eq('id', made.configurationId)
      return false
    }
    expect(await codeOf(await finish(made.ann, connection))).toBe('mcp_configuration_not_found')
    // Without the person, who has their answer by now.
    await expect
      .poll(() => issuer.revocations.map((form) => form.token_type_hint), { timeout: 30_000 })
      .toEqual(['refresh_token', 'access_token'])
    expect(await countConnections()).toBe(0)
  })

  it('with a code that the issuer refuses is authorization_failed and stores nothing', async () => {
    const callback = await made.issuersAnswer()
    callback.searchParams.set('code', 'another')
    const page = await follow(made.worker, callback)
    const answer = await finish(made.ann, page.searchParams.get('connection'))
    expect(await codeOf(answer)).toBe('authorization_failed')
    expect(await countConnections()).toBe(0)
  })

  it.each([
    ['HTML', 'text/html', '<h1>hello</h1>', 'authorization_server_error'],
    ['no token', 'application/json', '{"token_type":"Bearer"}', 'authorization_server_error'],
    [
      'another kind of token',
      'application/json',
      '{"access_token":"a","token_type":"DPoP"}',
      'authorization_server_error',
    ],
    [
      'a token with a line end',
      'application/json',
      '{"access_token":"a\\r\\nx: y","token_type":"Bearer"}',
      'authorization_server_error',
    ],
  ])('with %s from the token endpoint stores nothing', async (_, type, body, code) => {
    const connection = await handle()
    made.servers.issuer.intercept = (request, response) => {
      if (request.url !== '/token') return false
      response.writeHead(200, { 'content-type': type }).end(body)
      return true
    }
    const answer = await finish(made.ann, connection)
    made.servers.issuer.intercept = null
    expect(await codeOf(answer)).toBe(code)
    expect(await countConnections()).toBe(0)
  })
})

describe('two organizations with the same server', () => {
  it('share neither client nor connection', async () => {
    const bob = await signUpWithOrganization('bob')
    const bobs = await addConfiguration(bob, made.servers.server.endpoint)
    await connect(made.worker, made.ann, made.configurationId)
    await connect(made.worker, bob, bobs)
    const rows = await sql<{ organization_id: string; client_id: string; access_token: string }[]>`
      select organization_id, client_id, access_token from public.mcp_oauth_tokens
      where mcp_configuration_id in (${made.configurationId}, ${bobs})`
    expect(rows).toHaveLength(2)
    expect(new Set(rows.map((row) => row.client_id)).size).toBe(2)
    const refused = await made.worker.call(bob, 'POST', '/connections', {
      mcp_configuration_id: made.configurationId,
      redirect_to: redirectTo,
    })
    expect(await codeOf(refused)).toBe('mcp_configuration_not_found')
  })
})
