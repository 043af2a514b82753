import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventTypes, readEvents } from '../support/agents/agents-fixture.ts'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import { stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import {
  countWritten,
  createAgent,
  type ErrorBody,
  nothingWritten,
} from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { type RawProvider, startRawProvider } from '../support/agents/raw-provider.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let provider: RawProvider
let worker: AgentsWorker
let ann: Person & { organization: Organization }
let agent: string

beforeAll(async () => {
  provider = await startRawProvider()
  worker = await startAgentsWorker({
    OPENROUTER_API_KEY: 'sk-or-v1-canary-of-the-tests',
    OPENROUTER_BASE_URL: provider.url,
  })
})
afterAll(async () => {
  await worker.close()
  await provider.close()
})
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  agent = await createAgent(sql, ann.organization, ['openrouter'])
  provider.journal.length = 0
  worker.logged.length = 0
})

const invoke = (body: object = {}, signal?: AbortSignal) =>
  worker.invoke(
    ann,
    { agent, message: { content: 'Hi' }, ...body },
    signal === undefined ? {} : { signal },
  )

const execution = async () => {
  const [row] = await sql`
    select status, error_code, error_message, finish_reason from public.agent_executions
    where organization_id = ${ann.organization.id}`
  return row
}
const answer = async () => {
  const [row] = await sql`
    select content, metadata ->> 'partial' as partial from public.chat_messages
    where organization_id = ${ann.organization.id} and role = 'assistant'`
  return row
}
const untilEnded = () =>
  expect.poll(execution, { interval: 20 }).not.toMatchObject({ status: 'running' })

describe('a provider that fails in the middle of its answer', () => {
  it.each([
    ['is cut', eventStream([text('Hel'), text('lo')], { cutAt: text('Hel').length + 10 }), 'Hel'],
    ['ends without a finish reason', eventStream([text('Hello')]), 'Hello'],
    [
      'reports an error inside a 200',
      eventStream([text('Hel'), 'data: {"error":{"code":502,"message":"hidden reason"}}\n\n']),
      'Hel',
    ],
    ['sends a malformed frame', eventStream([text('Hel'), 'data: {"choices":[\n\n']), 'Hel'],
  ])('%s: one error, no finish, status failed, the partial text kept', async (_, script, kept) => {
    provider.respond(script)
    const stream = await (await invoke()).text()
    const types = eventTypes(stream)
    expect(types.filter((type) => type === 'error')).toHaveLength(1)
    expect(types.slice(-2)).toEqual(['error', '[DONE]'])
    expect(types).not.toContain('finish')
    const error = readEvents(stream).at(-2)?.data as { errorText: string }
    expect(error.errorText).toMatch(/^provider_\w+: The .*\.$/)
    expect(stream).not.toContain('hidden reason')
    const code = error.errorText.split(':')[0]
    expect(await execution()).toMatchObject({
      status: 'failed',
      error_code: code,
      finish_reason: null,
    })
    expect(await answer()).toEqual({ content: kept, partial: 'true' })
    expect(provider.journal).toHaveLength(1)
  })
})

describe('a provider that fails before its answer', () => {
  it('is tried again, and the answer is whole', async () => {
    provider.respond((_request, index) =>
      index === 0
        ? [json(503, { error: { message: 'busy' } })]
        : eventStream([text('Hello'), stop]),
    )
    const stream = await (await invoke()).text()
    expect(eventTypes(stream).at(-2)).toBe('finish')
    expect(provider.journal).toHaveLength(2)
    expect(await execution()).toMatchObject({ status: 'success' })
    expect((await countWritten(sql, ann.organization)).executions).toBe(1)
  })

  it('is left for the next model of the route, which is named as the one that answered', async () => {
    agent = await createAgent(sql, ann.organization, ['openrouter', 'openrouter'])
    provider.respond((request) =>
      request.body.includes('model-1')
        ? [json(404, { error: { message: 'no such model' } })]
        : [
            json(200, {
              id: 'gen-2',
              model: 'model-2',
              choices: [{ index: 0, message: { content: 'Hello' }, finish_reason: 'stop' }],
            }),
          ],
    )
    const response = await invoke({ stream: false })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ model: 'model-2', message: { content: 'Hello' } })
  })

  it.each([
    [400, 'provider_rejected_request', 400],
    [401, 'provider_unauthorized', 502],
    [402, 'provider_payment_required', 502],
    [500, 'provider_error', 502],
    [504, 'provider_timeout', 504],
  ])('with status %i is %s, status %i, without a word of its own', async (status, code, ours) => {
    provider.respond([
      json(status, { error: { message: 'hidden reason sk-or-v1-canary-of-the-tests' } }),
    ])
    const response = await invoke({ stream: false })
    expect(response.status).toBe(ours)
    const body = await response.text()
    expect((JSON.parse(body) as ErrorBody).error.code).toBe(code)
    expect(body).not.toContain('hidden')
    expect(await execution()).toMatchObject({ status: 'failed', error_code: code })
    expect(await answer()).toBeUndefined()
    expect((await execution())?.error_message).not.toContain('hidden')
    expect(worker.logged.join('\n')).toContain(code)
    expect(worker.logged.join('\n')).not.toContain('canary')
  })
})

describe('a client that leaves', () => {
  it('in the middle of a stream changes nothing: the answer is whole and stored', async () => {
    let release: () => void = () => undefined
    const left = new Promise<void>((resolve) => (release = resolve))
    const [head = '', hel = '', lo = '', end = '', last = ''] = eventStream([
      text('Hel'),
      text('lo'),
      stop,
    ])
    provider.respond([head, hel, { until: left }, lo, end, last])
    const controller = new AbortController()
    await new StreamReader(await invoke({}, controller.signal)).until('Hel')
    controller.abort()
    await expect.poll(() => worker.logged.join('\n')).toContain('client_disconnected')
    expect(await execution()).toMatchObject({ status: 'running' })
    release()
    await untilEnded()
    expect(await execution()).toMatchObject({ status: 'success', finish_reason: 'stop' })
    expect(await answer()).toEqual({ content: 'Hello', partial: 'false' })
  })

  it('while it waits for a whole answer changes nothing either', async () => {
    let release: () => void = () => undefined
    const left = new Promise<void>((resolve) => (release = resolve))
    provider.respond([
      { until: left },
      json(200, { id: 'g', choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }] }),
    ])
    const controller = new AbortController()
    const request = provider.nextRequest()
    const response = invoke({ stream: false }, controller.signal)
    await request
    controller.abort()
    await expect(response).rejects.toThrow()
    release()
    await untilEnded()
    expect(await execution()).toMatchObject({ status: 'success' })
    expect(await answer()).toEqual({ content: 'Hello', partial: 'false' })
  })

  it('does not read but stays: the provider is not held back', async () => {
    const piece = text('x'.repeat(60_000))
    provider.respond(eventStream([...Array.from({ length: 50 }, () => piece), stop]))
    const response = await invoke()
    await untilEnded()
    expect(await execution()).toMatchObject({ status: 'success' })
    expect((await answer())?.content).toHaveLength(3_000_000)
    await response.body?.cancel()
  })
})

describe('a provider without a key', () => {
  it('is 503 provider_not_configured, and nothing is written', async () => {
    const own = await startAgentsWorker({ OPENROUTER_API_KEY: undefined })
    try {
      for (const stream of [true, false]) {
        const message = { id: randomUUID(), content: 'Hi' }
        const response = await own.invoke(ann, { agent, stream, message })
        expect(response.status).toBe(503)
        expect(((await response.json()) as ErrorBody).error.code).toBe('provider_not_configured')
      }
      expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
    } finally {
      await own.close()
    }
  })
})
