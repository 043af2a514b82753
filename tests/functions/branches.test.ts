import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { frame, stop, text } from '../support/agents/chat-stream.ts'
import type { ErrorBody } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ models: 2 })
const { sql } = made

beforeEach(() => {
  made.provider.respond((_request, index) => eventStream([text(`Answer ${index + 1}`), stop]))
})

interface Sent {
  readonly content: string
  readonly reasoning_details?: unknown[]
}

/** Asks, and returns the ids of question and answer and what the model was sent. */
async function ask(body: object) {
  const response = await made.worker.invoke(made.ann, { agent: made.agent, ...body })
  const stream = await response.text()
  expect(response.status, stream).toBe(200)
  const [execution] = await sql<{ session_id: string; asked: string; answered: string }[]>`
    select session_id, message_id as asked, response_message_id as answered
    from public.agent_executions where id = ${response.headers.get('x-execution-id')}`
  if (!execution) throw new Error('there is no execution')
  const body_ = made.provider.journal.at(-1)?.body ?? ''
  const { messages } = JSON.parse(body_) as { messages: Sent[] }
  return { ...execution, sent: messages, texts: messages.map(({ content }) => content) }
}
const say = (content: string, rest: object = {}) => ask({ message: { content }, ...rest })

async function refusal(body: object) {
  const response = await made.worker.invoke(made.ann, { agent: made.agent, ...body })
  const { error } = (await response.json()) as ErrorBody
  return { status: response.status, ...error }
}

describe('a conversation', () => {
  it('gets its title from the first message, once, without a call of a model', async () => {
    const first = await say('  What is\n\na   tree? '.padEnd(300, 'x'))
    const title = async () => {
      const { data } = await made.ann.client.from('chat_sessions').select('title').single()
      return data?.title
    }
    const given = await title()
    expect(given).toMatch(/^What is a tree\? x+$/)
    expect(given).toHaveLength(80)
    await say('Another question', { session_id: first.session_id })
    expect(await title()).toBe(given)
    expect(made.provider.journal).toHaveLength(2)
  })

  it('branches where a message is edited, and goes on in the new branch', async () => {
    const first = await say('One')
    const { session_id } = first
    await say('Two', { session_id })
    const edited = await say('Two, edited', { session_id, parent_id: first.answered })
    expect(edited.texts).toEqual(['One', 'Answer 1', 'Two, edited'])
    const next = await say('Three', { session_id })
    expect(next.texts).toEqual(['One', 'Answer 1', 'Two, edited', 'Answer 3', 'Three'])
    const { count } = await made.ann.client
      .from('chat_messages')
      .select('*', { count: 'exact', head: true })
    expect(count).toBe(8)
  })

  it('begins anew in the same session when the first message is edited', async () => {
    const first = await say('One')
    const again = await say('One, edited', { session_id: first.session_id, parent_id: null })
    expect(again.texts).toEqual(['One, edited'])
    const { data } = await made.ann.client.from('chat_messages').select('id').is('parent_id', null)
    expect(data?.map(({ id }) => id).sort()).toEqual([first.asked, again.asked].sort())
  })

  it('answers again, as a sibling of the answer that was given', async () => {
    const first = await say('One')
    const { session_id } = first
    const second = await say('Two', { session_id })
    for (const regenerate of [second.answered, second.asked]) {
      const again = await ask({ session_id, regenerate })
      expect(again.texts).toEqual(['One', 'Answer 1', 'Two'])
      expect(again.asked).toBe(second.asked)
    }
    const { data } = await made.ann.client
      .from('chat_messages')
      .select('content')
      .eq('parent_id', second.asked)
      .order('created_at')
    expect(data?.map(({ content }) => content)).toEqual(['Answer 2', 'Answer 3', 'Answer 4'])
    expect((await say('Three', { session_id })).texts).toEqual([
      ...['One', 'Answer 1', 'Two', 'Answer 4', 'Three'],
    ])
  })

  it('goes on in whichever branch the client switches to', async () => {
    const first = await say('One')
    const { session_id } = first
    const left = await say('Left', { session_id })
    await say('Right', { session_id, parent_id: first.answered })
    const { data, error } = await made.ann.client
      .from('chat_sessions')
      .update({ current_message_id: left.answered })
      .eq('id', session_id)
      .select('id')
    expect({ data, error }).toEqual({ data: [{ id: session_id }], error: null })
    expect((await say('On', { session_id })).texts).toEqual([
      ...['One', 'Answer 1', 'Left', 'Answer 2', 'On'],
    ])
  })

  it('keeps its branches apart from another session’s', async () => {
    const first = await say('One')
    const other = await say('Other')
    const { error } = await made.ann.client
      .from('chat_sessions')
      .update({ current_message_id: other.answered })
      .eq('id', first.session_id)
    expect(error?.code).toBe('23503')
    expect(
      await refusal({
        session_id: first.session_id,
        parent_id: other.answered,
        message: { content: 'x' },
      }),
    ).toMatchObject({ status: 404, code: 'parent_not_found' })
    expect(
      await refusal({ session_id: first.session_id, regenerate: other.answered }),
    ).toMatchObject({ status: 404, code: 'message_not_found' })
  })
})

describe('a request to answer again', () => {
  const id = randomUUID()
  it.each([
    ['neither message nor regenerate', {}, 'message'],
    ['both', { session_id: id, regenerate: id, message: { content: 'x' } }, 'message'],
    ['no session', { regenerate: id }, 'session_id'],
    ['a parent', { session_id: id, regenerate: id, parent_id: id }, 'parent_id'],
    ['no uuid', { session_id: id, regenerate: 'last' }, 'regenerate'],
    ['another word for on_busy', { message: { content: 'x' }, on_busy: 'wait' }, 'on_busy'],
  ])('with %s is 400, and says where', async (_, body, path) => {
    expect(await refusal(body)).toMatchObject({ status: 400, code: 'invalid_request', path })
  })
})

describe('what only one provider understands', () => {
  const details = [{ type: 'reasoning.encrypted', data: 'sealed thoughts', index: 0 }]
  beforeEach(() => {
    made.provider.respond((_request, index) =>
      eventStream([
        ...(index === 0 ? [frame({ reasoning: 'Hm.', reasoning_details: details })] : []),
        text(`Answer ${index + 1}`),
        stop,
      ]),
    )
  })

  it('goes back to the same provider and model, and to no other model', async () => {
    const first = await say('One')
    const { session_id } = first
    const { data } = await made.ann.client
      .from('chat_messages')
      .select('parts')
      .eq('id', first.answered)
      .single()
    expect(JSON.stringify(data?.parts)).toContain('sealed thoughts')

    const same = await say('Two', { session_id })
    expect(same.sent[1]).toMatchObject({ content: 'Answer 1', reasoning_details: details })
    const other = await say('Two', { session_id, parent_id: first.answered, model: 'model-2' })
    expect(other.sent[1]).toMatchObject({ content: 'Answer 1' })
    expect(JSON.stringify(other.sent)).not.toContain('sealed thoughts')
  })

  it('goes to no other provider, though its model has the same name', async () => {
    const first = await say('One')
    await sql`update public.chat_messages
      set parts = replace(parts::text, '"provider": "openrouter"', '"provider": "other"')::jsonb
      where id = ${first.answered}`
    const next = await say('Two', { session_id: first.session_id })
    expect(next.texts).toEqual(['One', 'Answer 1', 'Two'])
    expect(JSON.stringify(next.sent)).not.toContain('sealed thoughts')
  })
})
