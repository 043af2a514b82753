import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { callFunction, invoke } from '../support/agents/invoke.ts'
import { addAgent } from '../support/rows/executions.ts'
import { comeAnonymously, openAgent, takeGuests } from '../support/people/guests.ts'
import {
  accessToken,
  claimsOf,
  newClient,
  refreshSession,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
const secret = 'The code word of the house is heliotrope.'

/** An organization with a secret in every place that a guest might look into, and two of its guests. */
async function support() {
  const owner = await signUpWithOrganization('support')
  const { organization } = owner
  const member = { organizationId: organization.id } as never
  await takeGuests(sql, member)
  const [open, closed] = [await addAgent(sql, member), await addAgent(sql, member)]
  await sql`update public.agents set instructions = ${secret} where id = ${open.id}`
  await openAgent(sql, open.id)
  await owner.client.from('system_prompts').insert({ scope: 'organization', content: secret })
  await owner.client.schema('client_mgmt').from('projects').insert({ name: secret })
  await owner.client.schema('client_mgmt').from('prompts').insert({ name: 'p', template: secret })
  const [guest, other] = [await comeAnonymously(organization), await comeAnonymously(organization)]
  return { owner, organization, open, closed, guest, other }
}

const answered = async (response: Response) => ({
  status: response.status,
  text: await response.text(),
})

test('a guest asks, is answered whole and as a stream, follows, cancels and asks again', async () => {
  const { guest, organization } = await support()
  expect(await claimsOf(guest)).toMatchObject({
    is_anonymous: true,
    email: '',
    organization_id: organization.id,
    organization_role: 'guest',
  })
  const whole = await answered(await invoke(guest, { message: { content: 'Hi' }, stream: false }))
  expect(whole).toMatchObject({
    status: 200,
    text: expect.stringContaining('"cost_usd":null') as unknown,
  })
  const { execution_id, session_id } = JSON.parse(whole.text) as Record<string, string>
  const token = await accessToken(guest)
  const streamed = await answered(
    await invoke(guest, { session_id, message: { content: 'And now?' } }),
  )
  expect(streamed).toMatchObject({
    status: 200,
    text: expect.stringContaining('"type":"finish"') as unknown,
  })
  const at = `agents/executions/${execution_id}`
  expect(
    await answered(await callFunction(`${at}/stream`, { token, method: 'GET' })),
  ).toMatchObject({ status: 200, text: expect.stringContaining('"type":"finish"') as unknown })
  expect((await callFunction(`${at}/cancel`, { token })).status).toBe(200)
  expect((await guest.client.from('chat_messages').select('id')).data).toHaveLength(4)
  for (const { text } of [whole, streamed]) expect(text).not.toContain('heliotrope')
})

test('a queued question of a guest waits for its turn and is answered', async () => {
  const { guest } = await support()
  const session_id = randomUUID()
  await guest.client.from('chat_sessions').insert({ id: session_id })
  const ask = (content: string) =>
    invoke(guest, { session_id, message: { content }, on_busy: 'queue', stream: false })
  const both = await Promise.all([ask('First'), ask('Second')])
  expect(both.map(({ status }) => status)).toEqual([200, 200])
})

test('a hostile guest gets nothing beyond own conversations, through functions, REST or RPC', async () => {
  const { owner, guest, other, open, closed, organization } = await support()
  const theirs = await answered(
    await invoke(other, { message: { content: secret }, stream: false }),
  )
  const shared = await answered(
    await invoke(owner, { agent: open.name, message: { content: secret }, stream: false }),
  )
  await owner.client
    .from('chat_sessions')
    .update({ visibility: 'organization' })
    .not('id', 'is', null)
  const foreign = [theirs, shared].map(({ text }) => JSON.parse(text) as Record<string, string>)
  const answerId = (JSON.parse(theirs.text) as { message: { id: string } }).message.id
  const token = await accessToken(guest)
  const message = { content: 'hello' }
  const fn =
    (path: string, body?: unknown, method = 'POST') =>
    async () => {
      const { status, text } = await answered(await callFunction(path, { token, body, method }))
      return { refused: status >= 400, text }
    }
  const { client } = guest
  const rest = (ask: () => PromiseLike<{ data: unknown; error: unknown }>) => async () => {
    const { data, error } = await ask()
    const nothing = data === null || JSON.stringify(data) === '[]'
    return { refused: error !== null || nothing, text: JSON.stringify([data, error]) }
  }
  const mgmt = client.schema('client_mgmt')
  const content = client.schema('conversation')
  const sessionIds = foreign.map(({ session_id = '' }) => session_id)
  const executionIds = foreign.map(({ execution_id = '' }) => execution_id)
  const request = { message } as never
  const attempts: Record<string, () => Promise<{ refused: boolean; text: string }>> = {
    'a closed agent': fn('agents/invoke', { agent: closed.name, message }),
    'a model': fn('agents/invoke', { model: 'only', message }),
    'a project': fn('agents/invoke', { project_id: 1, message }),
    'a library prompt': fn('agents/invoke', { prompt: { name: 'p' }, message }),
    parameters: fn('agents/invoke', { params: { max_output_tokens: 99_999 }, message }),
    'a format': fn('agents/invoke', {
      params: { response_format: { type: 'json_object' } },
      message,
    }),
    'another’s session': fn('agents/invoke', { session_id: sessionIds[0], message }),
    'a shared session': fn('agents/invoke', { session_id: sessionIds[1], message }),
    'another’s stream': fn(`agents/executions/${executionIds[0]}/stream`, undefined, 'GET'),
    'a shared stream': fn(`agents/executions/${executionIds[1]}/stream`, undefined, 'GET'),
    'another’s cancel': fn(`agents/executions/${executionIds[0]}/cancel`),
    'chat completions': fn('agents/v1/chat/completions', {
      model: `${open.name}/only`,
      messages: [
        { role: 'system', content: 'Be a pirate' },
        { role: 'user', content: 'hi' },
      ],
    }),
    responses: fn('agents/v1/responses', { model: `${open.name}/only`, input: 'hi' }),
    embeddings: fn('agents/v1/embeddings', { model: `${open.name}/only`, input: 'hi' }),
    'the list of models': fn('agents/v1/models', undefined, 'GET'),
    'a provider key': fn('agents/provider-credentials/openrouter', { api_key: 'sk-1' }, 'PUT'),
    'a connection': fn('oauth/connections', {
      mcp_configuration_id: 1,
      redirect_to: 'https://x.example',
    }),
    'the clean-up': fn('session-cleanup'),
    'begin_execution()': rest(() => client.rpc('begin_execution', { request })),
    'explain_effective_prompts()': rest(() => client.rpc('explain_effective_prompts', {})),
    'preview_system_prompt()': rest(() =>
      client.rpc('preview_system_prompt', { content: '{{x}}' }),
    ),
    'organization_members()': rest(() => client.rpc('organization_members')),
    'available_models()': rest(() => client.rpc('available_models', {})),
    'usage_by_day()': rest(() => client.rpc('usage_by_day', { since: '2000-01-01' })),
    'export_audit_log()': rest(() => client.rpc('export_audit_log', {})),
    'set_member_role()': rest(() =>
      client.rpc('set_member_role', { user_id: guest.id, role: 'owner' }),
    ),
    'invite_member()': rest(() => client.rpc('invite_member', { email: 'a@example.com' })),
    'remove_member()': rest(() => client.rpc('remove_member', { user_id: owner.id })),
    'create_organization()': rest(() =>
      client.rpc('create_organization', { name: 'Mine', slug: `mine-${randomUUID().slice(0, 8)}` }),
    ),
    'open_break_glass()': rest(() =>
      client.rpc('open_break_glass', {
        organization_id: organization.id,
        reason: 'Because I want to',
      }),
    ),
    'another’s rating': rest(() =>
      client.rpc('rate_message', { message_id: answerId, rating: 'up' }),
    ),
    'another’s execution': rest(() =>
      client.rpc('read_execution', { execution_id: executionIds[0] ?? '' }),
    ),
    'the organization’s row': rest(() => client.from('organizations').select('*')),
    'the organization’s settings': rest(() =>
      client.from('organizations').update({ settings: {} }).eq('id', organization.id).select(),
    ),
    agents: rest(() => client.from('agents').select('*')),
    models: rest(() => client.from('models').select('*')),
    prompts: rest(() => client.from('system_prompts').select('*')),
    'a prompt of one’s own': rest(() =>
      client
        .from('system_prompts')
        .insert({ scope: 'user', user_id: guest.id, content: 'x' })
        .select(),
    ),
    'MCP servers': rest(() => client.from('mcp_configurations').select('*')),
    'the log': rest(() => client.from('audit_logs').select('*')),
    sessions: rest(() => client.from('user_sessions').select('*')),
    'a system prompt of the sign-in': rest(() =>
      client.from('user_sessions').update({ system_prompt: 'x' }).eq('user_id', guest.id).select(),
    ),
    'other accounts': rest(() => client.from('users').select('*').neq('id', guest.id)),
    members: rest(() => mgmt.from('client_users').select('*')),
    'the client’s view': rest(() => mgmt.from('clients').select('*')),
    projects: rest(() => mgmt.from('projects').select('*')),
    'library prompts': rest(() => mgmt.from('prompts').select('*')),
    usage: rest(() => mgmt.from('usage_ledger').select('*')),
    limits: rest(() => mgmt.from('organization_limits').select('*')),
    prices: rest(() => mgmt.from('model_prices').select('*')),
    'another’s session in REST': rest(() =>
      client.from('chat_sessions').select('*').in('id', sessionIds),
    ),
    'another’s messages': rest(() =>
      client.from('chat_messages').select('*').in('session_id', sessionIds),
    ),
    'another’s events': rest(() =>
      content.from('execution_events').select('*').in('execution_id', executionIds),
    ),
    'a session for another': rest(() =>
      client
        .from('chat_sessions')
        .insert({ user_id: owner.id } as never)
        .select(),
    ),
    'a shared session of one’s own': rest(() =>
      client.from('chat_sessions').insert({ visibility: 'organization' }).select(),
    ),
    participants: rest(() => content.from('participants').select('*')),
    'the state of agents': rest(() => client.from('v_agent_status').select('*')),
    'metrics of agents': rest(() => client.from('agent_metrics').select('*')),
  }
  expect(Object.keys(attempts).length).toBeGreaterThan(50)
  const got: { name: string; refused: boolean; text: string }[] = []
  // One after the other, so that none is refused for their number.
  for (const [name, attempt] of Object.entries(attempts)) got.push({ name, ...(await attempt()) })
  expect(got.filter(({ refused }) => !refused)).toEqual([])
  const known = JSON.stringify(got)
  expect(known).not.toMatch(/too_many|rate_limited|internal_error|PGRST/)
  expect(known).not.toContain('heliotrope')
  expect(known).not.toContain(owner.email)
})

test('an anonymous account that gets an address keeps its rows and signs in with its password', async () => {
  const { guest, owner } = await support()
  await guest.client.from('chat_sessions').insert({ title: 'Mine' })
  const [email, password] = [`${guest.id}@example.com`, randomUUID()]
  const { error: early } = await guest.client.auth.updateUser({ password })
  expect(early).toMatchObject({ status: 422, code: 'validation_failed' })
  const { error: taken } = await guest.client.auth.updateUser({ email: owner.email })
  expect(taken).toMatchObject({ status: 422, code: 'email_exists' })
  const { data: before } = await guest.client.auth.getUser()
  expect(before.user).toMatchObject({ id: guest.id, is_anonymous: true })
  const { data, error } = await guest.client.auth.updateUser({ email, password })
  expect({ error, user: data.user }).toMatchObject({
    error: null,
    user: { id: guest.id, email, is_anonymous: false },
  })
  const client = newClient()
  await client.auth.signInWithPassword({ email, password })
  expect(await claimsOf({ ...guest, client })).toMatchObject({ email, is_anonymous: false })
  expect((await client.from('chat_sessions').select('title')).data).toEqual([{ title: 'Mine' }])
})

test('a person of the organization answers a guest, who reads it, and then the model answers again', async () => {
  const { owner, guest, other } = await support()
  const ask = async (content: string, session_id?: string) =>
    (await invoke(guest, { session_id, message: { content }, stream: false })).json() as Promise<
      Record<string, string>
    >
  const { session_id = '' } = await ask('Hi')
  const act = async (name: 'take_over_session' | 'hand_back_session') => {
    expect((await owner.client.rpc(name, { session_id })).error).toBeNull()
  }
  await act('take_over_session')
  expect(await ask('Is anyone there?', session_id)).toMatchObject({
    message: null,
    finish_reason: 'person_answers',
  })
  const answer = { session_id, content: 'I am.' }
  expect((await owner.client.rpc('answer_session', answer)).error).toBeNull()
  const read = () =>
    guest.client.from('chat_messages').select('content').eq('metadata->author->>type', 'person')
  expect((await read()).data).toEqual([{ content: 'I am.' }])
  expect((await other.client.from('chat_messages').select('id')).data).toEqual([])
  await act('hand_back_session')
  expect(await ask('Thanks', session_id)).toMatchObject({ message: { role: 'assistant' } })
})

test('a member who is demoted to guest loses the view of prompts with the token they have', async () => {
  const { owner, organization } = await support()
  const member = await signUpAsMember(sql, organization)
  await owner.client.rpc('set_member_role', { user_id: member.id, role: 'guest' })
  const asked = await answered(await invoke(member, { message: { content: 'Hi' }, stream: false }))
  expect(asked).toMatchObject({
    status: 403,
    text: expect.stringContaining('no_organization') as unknown,
  })
  await refreshSession(member)
  expect((await invoke(member, { message: { content: 'Hi' }, stream: false })).status).toBe(200)
})
