import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type { Outcome } from '../../../supabase/functions/_shared/executions/execution.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import {
  agentsApp,
  begunExecution,
  eventTypes,
  fakeModels,
  helloAnswer,
  storedEnd,
} from '../../support/agents/agents-fixture.ts'
import { StreamReader } from '../../support/agents/chat-stream.ts'
import { fakeClock } from '../../support/clocks.ts'

const hello = { message: { content: 'Hello' } }
const whole = { ...hello, stream: false }
const bodyOf = async (response: Response): Promise<unknown> => response.json()

describe('a streamed answer', () => {
  it('has the headers of an AI SDK stream that no proxy may hold back', async () => {
    const { headers } = await agentsApp().invoke(hello)
    expect(headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(headers.get('x-vercel-ai-ui-message-stream')).toBe('v1')
    expect(headers.get('cache-control')).toBe('no-cache')
    expect(headers.get('x-accel-buffering')).toBe('no')
    expect(headers.get('x-execution-id')).toBe(begunExecution().execution_id)
  })

  it('tells the finish only after it was stored', async () => {
    let store: () => void = () => undefined
    const stored = new Promise<void>((resolve) => (store = resolve))
    const { invoke } = agentsApp({
      answers: {
        finish_execution: async ({ outcome }) => {
          await stored
          return storedEnd(outcome as Outcome)
        },
      },
    })
    const reader = ((await invoke(hello)).body as ReadableStream<Uint8Array>).getReader()
    const decoder = new TextDecoder()
    const read = async () => decoder.decode((await reader.read()).value, { stream: true })
    let text = ''
    while (!text.includes(' there')) text += await read()
    let ended = false
    const next = read().finally(() => (ended = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(ended).toBe(false)
    store()
    text += await next
    expect(eventTypes(text).slice(-4)).toEqual(['text-end', 'finish-step', 'finish', '[DONE]'])
  })

  it('makes one chunk of each upstream read', async () => {
    const body = (await agentsApp().invoke(hello)).body as ReadableStream<Uint8Array>
    const chunks: unknown[][] = []
    for await (const chunk of body) chunks.push(eventTypes(new TextDecoder().decode(chunk)))
    expect(chunks).toEqual([
      ['start', 'start-step'],
      ['text-start', 'text-delta'],
      ['text-delta'],
      ['text-end', 'finish-step', 'finish', '[DONE]'],
    ])
  })

  it('is cut when its end could not be stored: what a client saw end has ended so', async () => {
    const { invoke, entries } = agentsApp({
      clock: fakeClock(),
      answers: {
        renew_execution_lease: () => 'running',
        finish_execution: () => {
          throw new AppError('database_unavailable')
        },
      },
    })
    const stream = new StreamReader(await invoke(hello))
    await expect(stream.toEnd()).rejects.toThrow('could not be stored')
    for (const end of ['finish', 'error', 'abort', '[DONE]']) {
      expect(eventTypes(stream.text)).not.toContain(end)
    }
    expect(entries.map(({ event }) => event)).toContain('end_not_stored')
  })

  it('is an error when the model fails, without a word of the cause', async () => {
    const { invoke, entries } = agentsApp({
      models: fakeModels(async function* () {
        yield* helloAnswer.slice(0, 1)
        throw new ModelError('provider_error', { detail: 'hidden detail' })
      }),
    })
    const response = await invoke(hello)
    const text = await response.text()
    expect(eventTypes(text)).toEqual([
      'start',
      'start-step',
      'text-start',
      'text-delta',
      'text-end',
      'error',
      '[DONE]',
    ])
    expect(text).not.toContain('hidden detail')
    expect(entries).toMatchObject([
      {
        event: 'execution_failed',
        code: 'provider_error',
        detail: 'hidden detail',
        request_id: response.headers.get('x-request-id'),
        execution_id: response.headers.get('x-execution-id'),
      },
    ])
  })

  it('believes the database: an execution cancelled meanwhile ends with abort', async () => {
    const { invoke } = agentsApp({
      answers: {
        finish_execution: ({ outcome }) => ({
          ...storedEnd(outcome as Outcome),
          status: 'cancelled',
          already_final: true,
        }),
      },
    })
    const types = eventTypes(await (await invoke(hello)).text())
    expect(types.slice(-2)).toEqual(['abort', '[DONE]'])
    expect(types).not.toContain('finish')
  })

  it('goes on and is stored when the client leaves', async () => {
    let release: () => void = () => undefined
    const left = new Promise<void>((resolve) => (release = resolve))
    const { invoke, background, outcomes, entries } = agentsApp({
      models: fakeModels(async function* () {
        yield* helloAnswer.slice(0, 1)
        await left
        yield* helloAnswer.slice(1)
      }),
    })
    const reader = ((await invoke(hello)).body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await reader.cancel()
    expect(outcomes()).toEqual([])
    release()
    await Promise.all(background)
    expect(outcomes()).toMatchObject([{ status: 'success', content: 'Hello there' }])
    expect(entries).toMatchObject([{ event: 'client_disconnected' }])
  })

  it('goes on and is stored when the client does not read', async () => {
    const text = 'x'.repeat(300_000)
    const { invoke, background, outcomes, entries } = agentsApp({
      models: fakeModels([
        ...Array.from({ length: 10 }, () => [{ type: 'text', text } as const]),
        [{ type: 'finish', reason: 'stop', rawReason: 'stop' }],
      ]),
    })
    const response = await invoke(hello)
    await Promise.all(background)
    expect(outcomes()).toMatchObject([{ status: 'success' }])
    expect(outcomes()[0]?.content).toHaveLength(3_000_000)
    expect(entries).toMatchObject([{ event: 'client_too_slow' }])
    await expect(response.text()).rejects.toThrow()
  })
})

describe('a whole answer', () => {
  it('has everything that is stored of the execution', async () => {
    const response = await agentsApp().invoke(whole)
    expect(response.status).toBe(200)
    const { execution_id, session_id } = begunExecution()
    expect(await bodyOf(response)).toEqual({
      execution_id,
      session_id,
      message: {
        id: 'answer',
        role: 'assistant',
        content: 'Hello there',
        parts: null,
      },
      usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
      finish_reason: 'stop',
      cost_usd: null,
      model: 'first',
    })
  })

  it.each([
    ['provider_error', 502],
    ['provider_stream_truncated', 502],
    ['provider_timeout', 504],
    ['provider_stalled', 504],
    ['provider_unauthorized', 502],
  ] as const)('that fails with %s has status %i', async (code, status) => {
    const { invoke, outcomes } = agentsApp({
      clock: fakeClock(),
      models: fakeModels(() => {
        throw new ModelError(code)
      }),
    })
    const response = await invoke(whole)
    expect(response.status).toBe(status)
    expect(await bodyOf(response)).toMatchObject({ error: { code } })
    expect(response.headers.get('x-execution-id')).toBe(begunExecution().execution_id)
    expect(outcomes()).toMatchObject([{ status: 'failed', error_code: code }])
  })

  it('runs in the background too, so that it is stored with or without a waiting client', async () => {
    const { invoke, background } = agentsApp()
    await invoke(whole)
    expect(await Promise.all(background)).toMatchObject([{ status: 'success' }])
  })
})

describe('beginning', () => {
  it('passes what was asked to the database, as the caller, and nothing else', async () => {
    const { invoke, calls } = agentsApp()
    const id = '5b1b7a64-6e8d-4c8b-9a6e-3f1f1d6a0001'
    const kept = {
      agent: 'droid',
      model: 'gpt-4',
      session_id: id,
      project_id: 3,
      parent_id: id,
      params: { temperature: 0.5, max_output_tokens: 10 },
    }
    const body = {
      ...kept,
      message: {
        id,
        content: [
          { type: 'text', text: 'Look:' },
          { type: 'file', url: 'https://a.test/b.png', mediaType: 'image/png', filename: 'b.png' },
          { type: 'file', url: 'https://a.test/c.pdf?x=1', mediaType: 'application/pdf' },
          { type: 'image', image: 'https://a.test/d.webp', mediaType: 'image/webp' },
        ],
      },
    }
    await (await invoke(body, { 'idempotency-key': 'key-1' })).text()
    expect(calls[0]).toEqual({
      role: 'authenticated',
      name: 'begin_execution',
      args: {
        request: {
          ...kept,
          as_root: false,
          regenerate: undefined,
          on_busy: 'refuse',
          title: 'Look:',
          message: {
            id,
            content: [
              { type: 'text', text: 'Look:' },
              {
                type: 'image',
                url: 'https://a.test/b.png',
                media_type: 'image/png',
                filename: 'b.png',
              },
              { type: 'file', url: 'https://a.test/c.pdf?x=1', media_type: 'application/pdf' },
              { type: 'image', url: 'https://a.test/d.webp', media_type: 'image/webp' },
            ],
          },
        },
        idempotency_key: 'key-1',
        providers: ['openrouter'],
      },
    })
  })

  it('that the database refuses is answered as such, streamed or not, without a provider call', async () => {
    for (const body of [hello, whole]) {
      const { invoke, calls } = agentsApp({
        answers: {
          begin_execution: () => {
            throw new AppError('agent_not_found')
          },
        },
      })
      const response = await invoke(body)
      expect(response.status).toBe(404)
      expect(await bodyOf(response)).toMatchObject({ error: { code: 'agent_not_found' } })
      expect(calls.map(({ name }) => name)).toEqual(['begin_execution'])
    }
  })
})
