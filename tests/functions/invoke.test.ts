import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { eventTypes, readEvents } from '../support/agents/agents-fixture.ts'
import {
  callFunction,
  countWritten,
  type ErrorBody,
  invoke,
  nothingWritten,
} from '../support/agents/invoke.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()

interface Answer {
  execution_id: string
  session_id: string
  message: { id: string; role: string; content: string; parts: unknown[] | null }
  usage: Record<string, number>
  finish_reason: string
  cost_usd: number | null
  model: string
}

const textOf = (stream: string) =>
  readEvents(stream)
    .map(({ data }) => data)
    .filter((data) => typeof data === 'object' && data.type === 'text-delta')
    .map((data) => (data as { delta: string }).delta)
    .join('')

describe.each([
  ['droid', 'claude-3-opus', 'anthropic/claude-3-opus'],
  ['ccrouter', 'gemini-1.5-pro', 'gemini-1.5-pro'],
])('the agent %s', (agent, model, providerModel) => {
  it('streams its answer, and stores it with usage, cost and times', async () => {
    const ann = await signUpWithOrganization('ann')
    const response = await invoke(ann, { agent, message: { content: 'Who are you?' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1')
    const stream = await response.text()
    const types = eventTypes(stream)
    expect(types.slice(0, 3)).toEqual(['start', 'start-step', 'text-start'])
    expect(types.slice(-4)).toEqual(['text-end', 'finish-step', 'finish', '[DONE]'])
    expect(types.filter((type) => type === 'text-delta').length).toBeGreaterThan(3)
    const expected = answerTo('Who are you?', providerModel)
    expect(textOf(stream)).toBe(expected)

    const { data: messages } = await ann.client
      .from('chat_messages')
      .select('id, parent_id, role, content, tokens_in, tokens_out, metadata')
      .order('created_at')
    const [start] = readEvents(stream)
    const finish = readEvents(stream).at(-2)?.data as { messageMetadata: Answer }
    const { messageId, messageMetadata } = start?.data as {
      messageId: string
      messageMetadata: Record<string, string>
    }
    expect(messageMetadata).toMatchObject({ agent, model })
    const { usage } = finish.messageMetadata
    expect(messages).toMatchObject([
      { role: 'user', content: 'Who are you?' },
      {
        id: messageId,
        parent_id: messages?.[0]?.id as string,
        role: 'assistant',
        content: expected,
        tokens_in: usage.input_tokens,
        tokens_out: usage.output_tokens,
        metadata: { partial: false },
      },
    ])
    const { data: executions } = await ann.client.from('agent_executions').select()
    expect(executions).toMatchObject([
      {
        id: messageMetadata.execution_id,
        session_id: messageMetadata.session_id,
        status: 'success',
        finish_reason: 'stop',
        error_code: null,
        ...usage,
      },
    ])
    expect(Number(executions?.[0]?.cost_usd)).toBeCloseTo(finish.messageMetadata.cost_usd ?? 0, 9)
    expect(Number(executions?.[0]?.cost_usd)).toBeGreaterThan(0)
    expect(executions?.[0]?.latency_ms).toBeGreaterThanOrEqual(
      executions?.[0]?.first_chunk_ms ?? Infinity,
    )
  })

  it('answers whole when asked to', async () => {
    const ann = await signUpWithOrganization('ann')
    const response = await invoke(ann, { agent, message: { content: 'Hi' }, stream: false })
    expect(response.status).toBe(200)
    const answer = (await response.json()) as Answer
    expect(answer).toMatchObject({
      message: { role: 'assistant', content: answerTo('Hi', providerModel) },
      finish_reason: 'stop',
      model,
    })
    expect(Object.keys(answer).sort()).toEqual(
      [
        'cost_usd',
        'execution_id',
        'finish_reason',
        'message',
        'model',
        'session_id',
        'usage',
      ].sort(),
    )
    const { input_tokens: input, output_tokens: output, total_tokens: total } = answer.usage
    expect(total).toBe((input ?? NaN) + (output ?? NaN))
    expect(await countWritten(sql, ann.organization)).toEqual({
      sessions: 1,
      messages: 2,
      executions: 1,
      usage: 1,
      requests: 1,
    })
  })
})

describe('a conversation', () => {
  it('goes on in its session, as a chain of messages', async () => {
    const ann = await signUpWithOrganization('ann')
    const ask = async (content: string, rest: object = {}) =>
      (await (
        await invoke(ann, { agent: 'droid', message: { content }, stream: false, ...rest })
      ).json()) as Answer
    const first = await ask('First')
    const second = await ask('Second', { session_id: first.session_id })
    expect(second.session_id).toBe(first.session_id)
    // The second call carried both turns: the local model counts the tokens of all it was sent.
    expect(second.usage.input_tokens).toBeGreaterThan(first.usage.output_tokens ?? Infinity)
    const { data } = await ann.client
      .from('chat_messages')
      .select('id, parent_id')
      .order('created_at')
    const ids = data?.map(({ id }) => id)
    expect(data?.map(({ parent_id }) => parent_id)).toEqual([null, ...(ids?.slice(0, 3) ?? [])])
  })

  it('takes parts, and stores them beside their text', async () => {
    const ann = await signUpWithOrganization('ann')
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'file', url: 'https://files.example/a.png', mediaType: 'image/png' },
    ]
    const response = await invoke(ann, { agent: 'droid', message: { content }, stream: false })
    expect(response.status).toBe(200)
    const { data } = await ann.client
      .from('chat_messages')
      .select('content, parts')
      .eq('role', 'user')
    expect(data).toEqual([
      {
        content: 'What is this?',
        parts: [
          { type: 'text', text: 'What is this?' },
          { type: 'image', url: 'https://files.example/a.png', media_type: 'image/png' },
        ],
      },
    ])
  })

  it('is the organization’s own: another one sees nothing of it', async () => {
    const ann = await signUpWithOrganization('ann')
    const bob = await signUpWithOrganization('bob')
    await (await invoke(ann, { agent: 'droid', message: { content: 'Secret' } })).text()
    for (const table of ['chat_sessions', 'chat_messages', 'agent_executions'] as const) {
      expect((await ann.client.from(table).select('id')).data?.length, table).toBeGreaterThan(0)
      expect((await bob.client.from(table).select('id')).data, table).toEqual([])
    }
    expect(await countWritten(sql, bob.organization)).toEqual(nothingWritten)
  })
})

describe('the same request again', () => {
  it.each(['Idempotency-Key', 'message.id'])(
    'by %s is one execution, answered twice',
    async (by) => {
      const ann = await signUpWithOrganization('ann')
      const id = randomUUID()
      const headers: Record<string, string> = by === 'message.id' ? {} : { 'idempotency-key': id }
      const message = { ...(by === 'message.id' && { id }), content: 'Once' }
      const ask = () => invoke(ann, { agent: 'droid', message, stream: false }, headers)
      const first = (await (await ask()).json()) as Answer
      expect((await (await ask()).json()) as Answer).toEqual(first)
      const stream = await (await invoke(ann, { agent: 'droid', message }, headers)).text()
      expect(eventTypes(stream).at(-2)).toBe('finish')
      expect(textOf(stream)).toBe(first.message.content)
      expect((await countWritten(sql, ann.organization)).executions).toBe(1)
    },
  )

  it('with another body is a conflict, and writes nothing', async () => {
    const ann = await signUpWithOrganization('ann')
    const headers = { 'idempotency-key': 'one' }
    const ask = (content: string) =>
      invoke(ann, { agent: 'droid', message: { content }, stream: false }, headers)
    await ask('Once')
    const before = await countWritten(sql, ann.organization)
    const response = await ask('Twice')
    expect(response.status).toBe(409)
    expect(((await response.json()) as ErrorBody).error.code).toBe('idempotency_conflict')
    expect(await countWritten(sql, ann.organization)).toEqual(before)
  })

  it('at the same time is one execution: a double click costs one call', async () => {
    const ann = await signUpWithOrganization('ann')
    const headers = { 'idempotency-key': 'double-click' }
    const body = { agent: 'droid', message: { content: 'Once' } }
    const responses = await Promise.all(Array.from({ length: 8 }, () => invoke(ann, body, headers)))
    const statuses = responses.map(({ status }) => status)
    const texts = await Promise.all(responses.map((response) => response.text()))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(new Set(texts.map((text) => JSON.stringify(readEvents(text)))).size).toBe(1)
    expect(eventTypes(texts[0] ?? '').at(-2)).toBe('finish')
    expect(await countWritten(sql, ann.organization)).toMatchObject({ executions: 1, usage: 1 })
  })

  it('of another person is another execution', async () => {
    const ann = await signUpWithOrganization('ann')
    const bob = await signUpWithOrganization('bob')
    const headers = { 'idempotency-key': 'shared' }
    const body = { agent: 'droid', message: { content: 'Once' }, stream: false }
    const ids = await Promise.all(
      [ann, bob].map(
        async (who) => ((await (await invoke(who, body, headers)).json()) as Answer).execution_id,
      ),
    )
    expect(new Set(ids).size).toBe(2)
  })
})

describe('supabase-js', () => {
  it('invokes the function as it is, whole and as an error', async () => {
    const ann = await signUpWithOrganization('ann')
    const answered = await ann.client.functions.invoke<Answer>('agents/invoke', {
      body: { agent: 'droid', message: { content: 'Hi' }, stream: false },
    })
    expect(answered.error).toBeNull()
    expect(answered.data?.message.content).toBe(answerTo('Hi', 'anthropic/claude-3-opus'))
    const refused = await ann.client.functions.invoke('agents/invoke', { body: {} })
    const answer = (refused.error as { context: Response }).context
    expect(((await answer.json()) as ErrorBody).error).toMatchObject({ code: 'invalid_request' })
  })

  it('can be used from a page of another origin', async () => {
    const ann = await signUpWithOrganization('ann')
    const preflight = await callFunction('agents/invoke', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,apikey,content-type,x-client-info',
      },
    })
    expect(preflight.ok).toBe(true)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
    const response = await callFunction('agents/invoke', {
      token: await accessToken(ann),
      headers: { origin: 'https://app.example' },
      body: {},
    })
    expect(response.status).toBe(400)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })
})
