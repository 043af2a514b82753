import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { png } from '../support/agents/files.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { type Client, openClient } from '../support/people/supabase-client.ts'
import { useStack } from '../support/stack/stack.ts'

// One day of support in two companies, through supabase-js alone.

let model: ScriptedModel
beforeAll(async () => {
  model = await startScriptedModel()
})
afterAll(() => model.close())

/** supabase-js whose requests to the function `agents` reach the scripted model. */
function newDevice(): Client {
  const { url, publishableKey } = useStack()
  const agents = model.baseURL.replace(/\/v1$/, '')
  const request: typeof fetch = (input, init) => {
    const address = input instanceof Request ? input.url : input.toString()
    return fetch(address.replace(`${url}/functions/v1/agents`, agents), init)
  }
  return openClient(url, publishableKey, request)
}

/** What a call of supabase-js gives; its error is thrown. */
async function ok<Data>(
  call: PromiseLike<{ data: Data; error: unknown }>,
): Promise<NonNullable<Data>> {
  const { data, error } = await call
  if (error !== null) throw new Error(JSON.stringify(error), { cause: error })
  return data as NonNullable<Data>
}

async function signUp(label: string) {
  const client = newDevice()
  const email = `${label}-${randomUUID()}@example.com`
  await ok(client.auth.signUp({ email, password: randomUUID() }))
  return { client, email }
}

/** A company whose support agent is open to customers, with a price of its own. */
async function openCompany(name: string) {
  const { client: manager } = await signUp('manager')
  const slug = `${name.toLowerCase()}-${randomUUID().slice(0, 18)}`
  const { id } = await ok(manager.rpc('create_organization', { name, slug }))
  await manager.auth.refreshSession()
  const settings = { guests_may_join: true }
  await ok(manager.from('organizations').update({ settings }).eq('id', Number(id)).select())
  const instructions = `You help the customers of ${name}.`
  const config = { provider: 'openrouter' }
  const agent = await ok(
    manager
      .from('agents')
      .insert({ name: 'support', type: 'openrouter', config, instructions, open_to_guests: true })
      .select('id')
      .single(),
  )
  const model_id = `${slug}/model`
  const provider = 'openrouter'
  await ok(
    manager
      .from('models')
      .insert({ agent_id: agent.id, name: 'model', display_name: 'Model', provider, model_id })
      .select(),
  )
  await ok(
    manager
      .schema('client_mgmt')
      .from('model_prices')
      .insert({ provider, model_id, input_per_million: 1_000_000, output_per_million: 0 })
      .select(),
  )
  return { manager, slug, name, organization: Number(id) }
}

type Company = Awaited<ReturnType<typeof openCompany>>

/** A colleague who is invited and may answer customers. */
async function hire({ manager }: Company, name: string): Promise<Client> {
  const { client, email } = await signUp('support')
  const { token } = await ok(manager.rpc('invite_member', { email }))
  await ok(client.rpc('accept_invitation', { token: token ?? '' }))
  const { id: user_id } = await ok(client.from('users').select('id').single())
  await ok(client.from('users').update({ display_name: name }).eq('id', user_id).select())
  const permissions = ['sessions.answer']
  await ok(manager.rpc('set_member_role', { user_id, role: 'member', permissions }))
  await client.auth.refreshSession()
  return client
}

async function arrive({ slug }: Company): Promise<Client> {
  const customer = newDevice()
  await ok(customer.auth.signInAnonymously())
  await ok(customer.rpc('join_organization', { slug }))
  await customer.auth.refreshSession()
  return customer
}

interface Answer {
  session_id: string
  finish_reason: string
  message: { id: string; content: string } | null
}

const ask = (client: Client, content: unknown, session_id: string) =>
  ok<Answer>(
    client.functions.invoke<Answer>('agents/invoke', {
      body: { session_id, message: { content }, stream: false },
    }) as PromiseLike<{ data: Answer; error: unknown }>,
  )

/** A customer opens a conversation and asks with a picture. */
async function askWithPicture(customer: Client, { organization }: Company) {
  const session = randomUUID()
  await ok(customer.from('chat_sessions').insert({ id: session }).select())
  const path = `${organization}/${session}/${randomUUID()}/parcel.png`
  const picture = new Blob([new Uint8Array(png)], { type: 'image/png' })
  await ok(customer.storage.from('attachments').upload(path, picture))
  const answer = await ask(
    customer,
    [
      { type: 'text', text: 'My parcel is broken.' },
      { type: 'file', path },
    ],
    session,
  )
  return { session, path, answer }
}

test('a support day of two companies', async () => {
  const [acme, other] = [await openCompany('Acme'), await openCompany('Other')]
  const ada = await hire(acme, 'Ada')
  const [customer, neighbour] = [await arrive(acme), await arrive(acme)]
  const theirs = await arrive(other)

  // The agent answers by the instructions of its own company, and sees the picture.
  model.answer({ text: ['I am sorry.'] })
  const { session, path, answer } = await askWithPicture(customer, acme)
  expect(answer).toMatchObject({ finish_reason: 'stop', message: { content: 'I am sorry.' } })
  await askWithPicture(theirs, other)
  const [first, second] = model.asked().map(({ messages }) => JSON.stringify(messages))
  expect(first).toContain('You help the customers of Acme.')
  expect(first).toContain(png.toString('base64'))
  expect(second).toContain('You help the customers of Other.')
  expect(second).not.toContain('Acme')

  // The customer asks for a person, who finds, takes over and answers.
  await ok(customer.rpc('ask_for_person', { session_id: session }))
  const waiting = await ok(ada.rpc('sessions_to_answer', {}))
  expect(waiting).toMatchObject([
    { session_id: session, asks_person: true, message: 'My parcel is broken.' },
  ])
  expect((await ada.storage.from('attachments').download(path)).error).toBeNull()
  await ok(ada.rpc('take_over_session', { session_id: session }))
  expect(await ask(customer, 'Can you send another one?', session)).toMatchObject({
    finish_reason: 'person_answers',
    message: null,
  })
  await ok(ada.rpc('answer_session', { session_id: session, content: 'It left today.' }))
  await ok(ada.rpc('hand_back_session', { session_id: session, note: 'A new one was sent.' }))
  expect(await ok(ada.rpc('sessions_to_answer', {}))).toEqual([])

  // The model goes on, and knows what the person said and did.
  model.answer({ text: ['You are welcome.'] })
  const last = await ask(customer, 'Thank you.', session)
  const [told] = model.asked().map(({ messages }) => JSON.stringify(messages))
  for (const words of ['[A person, Ada, answered:]', 'It left today.', 'A new one was sent.'])
    expect(told).toContain(words)

  // The customer rates, and reads the whole conversation.
  const message_id = last.message?.id ?? ''
  await ok(customer.rpc('rate_message', { message_id, rating: 'up', comment: 'Quick.' }))
  const said = await ok(
    customer.from('chat_messages').select('content').eq('session_id', session).order('created_at'),
  )
  expect(said.map(({ content }) => content)).toEqual([
    'My parcel is broken.',
    'I am sorry.',
    'Can you send another one?',
    'It left today.',
    'Thank you.',
    'You are welcome.',
  ])

  // The manager reads cost, feedback and who did what.
  const since = '2020-01-01'
  const usage = await ok(acme.manager.rpc('usage_by_day', { since }))
  expect(usage).toMatchObject([{ executions: 2, cost_usd: 22, unpriced: 0 }])
  expect(await ok(acme.manager.rpc('feedback_by_agent', { since }))).toMatchObject([
    { agent: 'support', up: 1, down: 0 },
  ])
  const rated = await ok(
    acme.manager.schema('conversation').from('message_feedback').select('rating, comment'),
  )
  expect(rated).toEqual([{ rating: 'up', comment: 'Quick.' }])
  const acts = await ok(
    acme.manager.from('audit_logs').select('action, details').eq('resource_id', session),
  )
  expect(acts.map(({ action }) => action)).toEqual(
    expect.arrayContaining([
      'session.ask_person',
      'session.take_over',
      'session.answer',
      'session.hand_back',
    ]),
  )
  expect(JSON.stringify(acts)).not.toMatch(/parcel|left today|new one/)

  // The other company, and another customer of the same one, see nothing of it.
  for (const stranger of [other.manager, theirs, neighbour]) {
    const mine = await ok(stranger.from('chat_sessions').select('id'))
    expect(mine.map(({ id }) => id)).not.toContain(session)
    const read = await stranger.from('chat_messages').select('id').eq('session_id', session)
    expect(read.data).toEqual([])
    expect((await stranger.storage.from('attachments').download(path)).error).not.toBeNull()
    for (const { error } of [
      await stranger.rpc('take_over_session', { session_id: session }),
      await stranger.rpc('ask_for_person', { session_id: session }),
      await stranger.rpc('rate_message', { message_id, rating: 'down' }),
      await stranger.functions.invoke('agents/invoke', {
        body: { session_id: session, message: { content: 'Let me in.' }, stream: false },
      }),
    ])
      expect(error).not.toBeNull()
  }
  expect(await ok(other.manager.rpc('usage_by_day', { since }))).toMatchObject([{ executions: 1 }])
  expect(await ok(other.manager.rpc('feedback_by_agent', { since }))).toEqual([])
  expect(
    await ok(other.manager.schema('conversation').from('message_feedback').select('rating')),
  ).toEqual([])
}, 150_000)
