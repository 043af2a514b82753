import { describe, expect, it } from 'vitest'
import { eventTypes } from '../support/agents/agents-fixture.ts'
import {
  answerOf,
  eventsOf,
  gate,
  stop,
  StreamReader,
  text,
} from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { STALL } from '../support/agents/raw-provider.ts'
import { type Person, signUpAsMember } from '../support/people/people.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ workers: 2 })
const { sql } = made

const idOf = (response: Response) => response.headers.get('x-execution-id') ?? ''
const ask = (content: string, rest: object = {}) =>
  made.worker.invoke(made.ann, { agent: made.agent, message: { content }, ...rest })
const streamOf = (id: string) => made.elsewhere.request(made.ann, `executions/${id}/stream`)

/** A colleague who may answer. */
async function signUpAnswerer(): Promise<Person> {
  const person = await signUpAsMember(sql, made.ann.organization, 'bob')
  await sql`update client_mgmt.client_users set permissions = '{sessions.answer}'
    where user_id = ${person.id}`
  await sql`update public.users set display_name = 'Bob' where id = ${person.id}`
  return person
}

const share = (id: string) =>
  sql`update public.chat_sessions set visibility = 'organization' where id = ${id}`

/** A shared conversation with one answer, which Bob took over. */
async function handledSession(): Promise<{ bob: Person; session_id: string }> {
  made.provider.respond(eventStream([text('From the model.'), stop]))
  const response = await ask('Hi', { stream: true })
  const session_id = /"session_id":"([^"]+)"/.exec(await response.text())?.[1] ?? ''
  await share(session_id)
  const bob = await signUpAnswerer()
  await act(bob, 'take_over_session', { session_id })
  made.provider.journal.length = 0
  return { bob, session_id }
}

async function act(person: Person, name: string, args: object): Promise<unknown> {
  const { data, error } = await person.client.rpc(name as never, args as never)
  if (error !== null) throw error
  return data
}

describe('while a person has the session', () => {
  it('a stream says so with a code, and a replay and a follower get the same bytes', async () => {
    const { session_id } = await handledSession()
    const response = await ask('Is anyone there?', { session_id })
    expect(response.status).toBe(200)
    const stream = await response.text()
    expect(eventTypes(stream)).toEqual([
      'start',
      'start-step',
      'data-person',
      'finish-step',
      'finish',
      '[DONE]',
    ])
    expect(stream).toContain('"data":{"code":"person_answers","message":"A person answers')
    expect(stream).toContain('"finish_reason":"person_answers"')
    expect(made.provider.journal).toHaveLength(0)
    expect(await (await streamOf(idOf(response))).text()).toBe(stream)
    const stored = await sql`
      select content from public.chat_messages where session_id = ${session_id} and role = 'user'
      order by created_at`
    expect(stored.map(({ content }) => String(content))).toEqual(['Hi', 'Is anyone there?'])
  })

  it('an answer without stream is a success without a message, also with a format', async () => {
    const { session_id } = await handledSession()
    for (const rest of [{}, { format: { schema: { type: 'object' } } }]) {
      const response = await ask('Whole?', { session_id, stream: false, ...rest })
      expect([response.status, await response.json()]).toMatchObject([
        200,
        { session_id, message: null, finish_reason: 'person_answers', cost_usd: null },
      ])
    }
    expect(made.provider.journal).toHaveLength(0)
  })

  it('the model answers after the hand-back, and knows who said what', async () => {
    const { bob, session_id } = await handledSession()
    await (await ask('And my refund?', { session_id })).text()
    await act(bob, 'answer_session', { session_id, content: 'Granted.' })
    await act(bob, 'hand_back_session', { session_id, note: 'Refund 12.' })
    made.provider.respond(eventStream([text('You are welcome.'), stop]))
    expect(answerOf(await (await ask('Thanks', { session_id })).text())).toBe('You are welcome.')
    const { messages } = JSON.parse(made.provider.journal.at(-1)?.body ?? '{}') as {
      messages: { role: string; content: string }[]
    }
    expect(messages.filter(({ role }) => role !== 'system').map(({ content }) => content)).toEqual([
      'Hi',
      'From the model.',
      'And my refund?',
      '[A person, Bob, answered:]\nGranted.',
      'Thanks',
    ])
    expect(messages.filter(({ role }) => role === 'system').at(-1)?.content).toContain('Refund 12.')
  })
})

describe('an answer that streams when a person takes over', () => {
  it('is cancelled with its reason, says that a person answers, and keeps its text', async () => {
    const [head = '', word = ''] = eventStream([text('Half of it')])
    made.provider.respond([head, word, STALL])
    const response = await ask('Hi')
    const stream = new StreamReader(response)
    await stream.until('Half of it')
    const session_id = /"session_id":"([^"]+)"/.exec(stream.text)?.[1] ?? ''
    await share(session_id)
    const bob = await signUpAnswerer()
    await act(bob, 'take_over_session', { session_id })
    const whole = await stream.toEnd()
    expect(eventTypes(whole).slice(-4)).toEqual(['text-end', 'data-person', 'abort', '[DONE]'])
    expect(whole).toContain('"type":"abort","reason":"person_answers"')
    await made.provider.journal[0]?.closed
    expect(await (await streamOf(idOf(response))).text()).toBe(eventsOf(whole))
    const [ended] = await sql`
      select x.status, x.error_code, m.content, s.waiting_since is not null as waits
      from public.agent_executions x
      join public.chat_messages m on m.id = x.response_message_id
      join public.chat_sessions s on s.id = x.session_id where x.id = ${idOf(response)}`
    expect(ended).toEqual({
      status: 'cancelled',
      error_code: 'person_answers',
      content: 'Half of it',
      waits: true,
    })
  })

  it('lets the message that waits in the queue through to the person', async () => {
    const { step, open } = gate()
    const [head = '', one = '', ...rest] = eventStream([text('First'), stop])
    made.provider.respond([head, one, step, ...rest])
    const first = new StreamReader(await ask('One'))
    await first.until('"delta":"First"')
    const session_id = /"session_id":"([^"]+)"/.exec(first.text)?.[1] ?? ''
    const second = await ask('Two', { session_id, on_busy: 'queue' })
    await share(session_id)
    const bob = await signUpAnswerer()
    await act(bob, 'take_over_session', { session_id })
    open()
    await first.toEnd()
    const stream = await second.text()
    expect(eventTypes(stream)).toContain('data-person')
    expect(await (await streamOf(idOf(second))).text()).toBe(eventsOf(stream))
    expect(made.provider.journal).toHaveLength(1)
    const [waiting] = (await act(bob, 'sessions_to_answer', {})) as { message: string }[]
    expect(waiting).toMatchObject({ session_id, handled_by: bob.id, message: 'Two' })
  })
})

it('a request of OpenAI’s clients keeps its conversation itself: no person takes it over', async () => {
  made.provider.respond(eventStream([text('Hello.'), stop]))
  const response = await made.worker.request(made.ann, 'v1/chat/completions', {
    method: 'POST',
    body: {
      model: `${made.agent}/model-1`,
      stream: true,
      messages: [{ role: 'user', content: 'Hi' }],
    },
  })
  expect(await response.text()).toContain('[DONE]')
  const [row] = await sql<{ session_id: string }[]>`
    select session_id from public.agent_executions where id = ${idOf(response)}`
  const session_id = row?.session_id ?? ''
  await share(session_id)
  const bob = await signUpAnswerer()
  const { error } = await bob.client.rpc('take_over_session', { session_id })
  expect(error).toMatchObject({ code: 'PT404', message: 'session_not_found' })
})
