import { generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { startAgentsWorker } from '../support/agents/agents-worker.ts'
import { stop, text } from '../support/agents/chat-stream.ts'
import { createAgent, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { startRawProvider } from '../support/agents/raw-provider.ts'
import {
  type Organization,
  type Person,
  refreshSession,
  signUp,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents()
const { sql } = made
const key = 'sk-or-v1-canary-of-the-organization-7f3a'

const answer = (content: string) =>
  json(200, { id: 'g', choices: [{ message: { content }, finish_reason: 'stop' }] })
const refused = json(401, { error: { message: 'No auth credentials found' } })
const sentKeys = () => made.provider.journal.map(({ headers }) => headers['authorization'])

beforeEach(() => {
  made.provider.respond((request) =>
    request.body.includes('"stream":true') ? eventStream([text('Hi'), stop]) : [answer('Hi')],
  )
})

const put = (person: Person, api_key: unknown, name = 'openrouter') =>
  made.worker.request(person, `provider-credentials/${name}`, { method: 'PUT', body: { api_key } })
const remove = (person: Person, name = 'openrouter') =>
  made.worker.request(person, `provider-credentials/${name}`, { method: 'DELETE' })
const ask = (person: Person, name: string) =>
  made.worker.invoke(person, { agent: name, message: { content: 'Hi' } })
const codeOf = async (response: Response) => ((await response.json()) as ErrorBody).error.code
const stored = async (organization: Organization) => sql<
  { sealed_key: string; last_four: string }[]
>`
  select sealed_key, last_four from client_mgmt.provider_credentials
  join private.provider_keys using (organization_id, provider)
  where organization_id = ${organization.id}`

async function memberOf(owner: Person, organization: Organization): Promise<Person> {
  const member = await signUp('member')
  const { data, error } = await owner.client.rpc('invite_member', { email: member.email })
  if (error) throw error
  const { error: refused_ } = await member.client.rpc('accept_invitation', {
    token: (data as unknown as { token: string }).token,
  })
  if (refused_) throw refused_
  const { error: stays } = await member.client.rpc('switch_organization', {
    organization_id: organization.id,
  })
  if (stays) throw stays
  await refreshSession(member)
  return member
}

describe('an organization’s own key', () => {
  it('is tried with one call, stored sealed, and shown by its last four characters', async () => {
    const response = await put(made.ann, key)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ provider: 'openrouter', last_four: '7f3a' })
    expect(sentKeys()).toEqual([`Bearer ${key}`])
    const [row] = await stored(made.ann.organization)
    expect(row?.last_four).toBe('7f3a')
    expect(row?.sealed_key).toMatch(/^v1\./)
    expect(row?.sealed_key).not.toContain('canary')
    const { data } = await made.ann.client
      .schema('client_mgmt')
      .from('provider_credentials')
      .select('*')
    expect(data).toMatchObject([{ provider: 'openrouter', last_four: '7f3a' }])
    expect(JSON.stringify(data)).not.toContain('v1.')
  })

  it('is used before the platform’s, by this organization alone, until it is removed', async () => {
    await put(made.ann, key)
    const bob = await signUpWithOrganization('bob')
    const bobs = await createAgent(sql, bob.organization, ['openrouter'])
    made.provider.journal.length = 0
    await (await ask(made.ann, made.agent)).text()
    await (await ask(bob, bobs)).text()
    expect((await remove(made.ann)).status).toBe(204)
    await (await ask(made.ann, made.agent)).text()
    expect(sentKeys()).toEqual([
      `Bearer ${key}`,
      'Bearer sk-or-v1-platform',
      'Bearer sk-or-v1-platform',
    ])
    expect(await codeOf(await remove(made.ann))).toBe('credential_not_found')
  })

  it('is replaced by a new one at once', async () => {
    await put(made.ann, key)
    await (await ask(made.ann, made.agent)).text()
    await put(made.ann, 'sk-or-v1-the-next-one')
    made.provider.journal.length = 0
    await (await ask(made.ann, made.agent)).text()
    expect(sentKeys()).toEqual(['Bearer sk-or-v1-the-next-one'])
    expect(await stored(made.ann.organization)).toMatchObject([{ last_four: '-one' }])
  })

  it('does not open in another organization', async () => {
    await put(made.ann, key)
    const [row] = await stored(made.ann.organization)
    const bob = await signUpWithOrganization('bob')
    const bobs = await createAgent(sql, bob.organization, ['openrouter'])
    const copy = {
      organization_id: bob.organization.id,
      user_id: bob.id,
      provider: 'openrouter',
      sealed_key: row?.sealed_key ?? '',
      last_four: '7f3a',
    }
    // A manager's token cannot store even a copy.
    const { error } = await bob.client.rpc('store_provider_credential', copy)
    expect(error?.code).toBe('42501')
    expect(await stored(bob.organization)).toEqual([])
    await sql`
      insert into client_mgmt.provider_credentials (organization_id, provider, last_four)
      values (${copy.organization_id}, ${copy.provider}, ${copy.last_four})`
    await sql`
      insert into private.provider_keys (organization_id, provider, sealed_key)
      values (${copy.organization_id}, ${copy.provider}, ${copy.sealed_key})`
    made.provider.journal.length = 0
    const stream = await (await ask(bob, bobs)).text()
    expect(stream).toContain('"errorText":"provider_misconfigured: ')
    expect(sentKeys()).toEqual([])
    // Nothing that never opens is left for those who seal all values anew.
    await bob.client.rpc('remove_provider_credential', { provider: 'openrouter' })
  })

  it('that the provider refuses in a call blames nobody else, and is not in the log', async () => {
    await put(made.ann, key)
    const bob = await signUpWithOrganization('bob')
    made.provider.respond((request) =>
      request.headers['authorization'] === `Bearer ${key}`
        ? [json(401, { error: { message: `key ${key} is revoked` } })]
        : eventStream([text('Hi'), stop]),
    )
    const shared = 'droid'
    for (let round = 0; round < 6; round += 1) {
      expect(await (await ask(made.ann, shared)).text()).toContain('provider_unauthorized: ')
    }
    expect(await (await ask(bob, shared)).text()).toContain('"type":"finish"')
    expect(made.worker.logged.join('\n')).toContain('provider_unauthorized')
    expect(made.worker.logged.join('\n')).not.toContain('canary')
  })
})

describe('a key that the provider refuses', () => {
  it.each([
    ['refused', refused, 422, 'provider_key_rejected'],
    ['without credit', json(402, { error: { message: 'pay' } }), 422, 'provider_key_rejected'],
    ['of a provider that is down', json(503, { error: { message: 'no' } }), 502, 'provider_error'],
  ])('because it is %s is not stored', async (_, script, status, code) => {
    made.provider.respond([script])
    const response = await put(made.ann, key)
    expect(response.status).toBe(status)
    const body = await response.text()
    expect(body).toContain(code)
    expect(body).not.toContain('canary')
    expect(await stored(made.ann.organization)).toEqual([])
    expect(made.provider.journal).toHaveLength(1)
  })

  it.each([
    ['too short', 'short', 'openrouter', 'api_key'],
    ['of two lines', 'sk-or-v1-one\r\nx-other: header', 'openrouter', 'api_key'],
    ['of no printable characters', 'sk-or-v1-\u0000one', 'openrouter', 'api_key'],
    ['of letters no header carries', 'sk-or-v1-\u2028\u00e9one', 'openrouter', 'api_key'],
    ['no text', 7, 'openrouter', 'api_key'],
    ['of an unknown provider', key, 'elsewhere', 'provider'],
    ['no service account', key, 'vertex-ai', 'api_key'],
    ['half a service account', '{"type":"service_account"}', 'vertex-ai', 'api_key'],
  ])('because it is %s is 400, and nobody is called', async (_, value, name, path) => {
    const response = await put(made.ann, value, name)
    expect(response.status).toBe(400)
    expect(((await response.json()) as ErrorBody).error).toMatchObject({
      code: 'invalid_request',
      path,
    })
    expect(made.provider.journal).toHaveLength(0)
  })
})

describe('who may', () => {
  it('is a holder of agents.manage: a member is refused before any call', async () => {
    const member = await memberOf(made.ann, made.ann.organization)
    for (const response of [await put(member, key), await remove(member)]) {
      expect(response.status).toBe(403)
      expect(await codeOf(response)).toBe('permission_denied')
    }
    expect(made.provider.journal).toHaveLength(0)
    expect(await stored(made.ann.organization)).toEqual([])
  })
})

describe('a service account', () => {
  it('is used at the operator’s addresses, whatever address it names', async () => {
    const elsewhere = await startRawProvider()
    const platform = serviceAccount('platform', `${made.provider.url}/token`)
    const own = await startAgentsWorker({
      VERTEX_BASE_URL: made.provider.url,
      VERTEX_SERVICE_ACCOUNT: platform,
    })
    made.provider.respond(({ path }) => [
      path === '/token'
        ? json(200, { access_token: 'anns-token', expires_in: 3600 })
        : json(200, {
            candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }],
          }),
    ])
    try {
      const response = await own.request(made.ann, 'provider-credentials/vertex-ai', {
        method: 'PUT',
        body: { api_key: serviceAccount('ann', `${elsewhere.url}/token`) },
      })
      expect(await response.json()).toEqual({ provider: 'vertex-ai', last_four: '-ann' })
      expect(elsewhere.journal).toHaveLength(0)
      expect(made.provider.journal.map(({ path }) => path)).toEqual([
        '/token',
        expect.stringContaining('/projects/ann/'),
      ])
    } finally {
      await own.close()
      await elsewhere.close()
    }
  })
})

function serviceAccount(name: string, token_uri: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return JSON.stringify({
    type: 'service_account',
    project_id: name,
    client_email: `${name}@example.iam.gserviceaccount.com`,
    private_key_id: `key-of-${name}`,
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri,
  })
}
