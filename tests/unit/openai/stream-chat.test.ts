import { describe, expect, it } from 'vitest'
import type { Models } from '../../../supabase/functions/_shared/executions/models.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { statusPatience } from '../../../supabase/functions/_shared/openai/stream-chat.ts'
import {
  agentsApp,
  begunExecution,
  fakeModels,
  helloAnswer,
} from '../../support/agents/agents-fixture.ts'

const body = { model: 'droid/first', messages: [{ role: 'user', content: 'Hi' }], stream: true }

/** Time that passes when the test says so. */
function steppedClock() {
  let time = 1_000_000
  let timers: { due: number; run: () => void }[] = []
  return {
    now: () => time,
    setTimeout(run: () => void, milliseconds: number) {
      const timer = { due: time + milliseconds, run }
      timers.push(timer)
      return timer
    },
    clearTimeout(handle: unknown) {
      timers = timers.filter((timer) => timer !== handle)
    },
    advance(milliseconds: number) {
      time += milliseconds
      const due = timers.filter((timer) => timer.due <= time)
      timers = timers.filter((timer) => timer.due > time)
      for (const { run } of due) run()
    },
  }
}

function ask(models: Models, clock = steppedClock()) {
  const { app, ...rest } = agentsApp({ models, clock })
  const answer = app.request('/agents/v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify(body),
  })
  return { answer: Promise.resolve(answer), clock, ...rest }
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 20))

describe('a streamed chat completion', () => {
  it('that fails before its first output is an HTTP error', async () => {
    const models = fakeModels(async function* () {
      yield* []
      throw new ModelError('provider_rejected_request')
    })
    const response = await ask(models).answer
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { code: 'provider_rejected_request' } })
  })

  it('waits for its first output before it answers 200', async () => {
    let open: () => void = () => undefined
    const opened = new Promise<void>((resolve) => (open = resolve))
    let answered = false
    const { answer, clock } = ask(
      fakeModels(async function* () {
        await opened
        yield* helloAnswer
      }),
    )
    void answer.then(() => (answered = true))
    await settle()
    clock.advance(statusPatience - 1)
    await settle()
    expect(answered).toBe(false)
    open()
    expect((await answer).status).toBe(200)
  })

  it('begins without it when that takes long, and then fails inside the stream', async () => {
    let fail: () => void = () => undefined
    const failing = new Promise<void>((resolve) => (fail = resolve))
    const { answer, clock } = ask(
      fakeModels(async function* () {
        yield* []
        await failing
        throw new ModelError('provider_rejected_request')
      }),
    )
    await settle()
    clock.advance(statusPatience)
    const response = await answer
    expect(response.status).toBe(200)
    fail()
    const text = await response.text()
    expect(text).toContain('"code":"provider_rejected_request"')
    expect(text).not.toContain('[DONE]')
  })

  it('names the model that answers, not the one that failed', async () => {
    const route = ['first', 'second'].map((name) => ({
      ...(begunExecution().route[0] ?? { credential: 'platform', probe: false }),
      name,
      model_id: name,
    }))
    const models = fakeModels(async function* (step) {
      if (step.name === 'first') throw new ModelError('provider_unauthorized')
      yield* helloAnswer
    })
    const { app } = agentsApp({
      models,
      answers: { begin_execution: () => begunExecution({ route: route as never }) },
    })
    const response = await app.request('/agents/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(body),
    })
    const names = [...(await response.text()).matchAll(/"model":"([^"]+)"/g)].map(
      ([, name]) => name,
    )
    expect(new Set(names)).toEqual(new Set(['droid/second']))
  })

  it('sends thoughts by both names that clients know, and ends once', async () => {
    const response = await ask(
      fakeModels([
        [
          { type: 'start', requestId: null, model: null },
          { type: 'reasoning', text: 'Hmm.' },
        ],
        ...helloAnswer,
      ]),
    ).answer
    const text = await response.text()
    expect(text).toContain('"delta":{"reasoning":"Hmm.","reasoning_content":"Hmm."}')
    expect(text.match(/"finish_reason":"stop"/g)).toHaveLength(1)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })
})

describe('what is begun', () => {
  it('is transient, counts every message, and asks in the client’s words', async () => {
    const { app, calls } = agentsApp()
    const image = { type: 'image_url', image_url: { url: 'https://a.b/c.png' } }
    const messages = [
      { role: 'system', content: 'é'.repeat(500) },
      { role: 'user', content: [{ type: 'text', text: 'Hi' }, image] },
    ]
    await app.request('/agents/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify({ model: 'droid/first', messages }),
    })
    const args = calls.find(({ name }) => name === 'begin_execution')?.args
    const request = args?.request as Record<string, unknown>
    expect(request).toMatchObject({
      agent: 'droid',
      model: 'first',
      transient: true,
      message: {
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'image', url: 'https://a.b/c.png', media_type: 'image/png' },
        ],
      },
    })
    expect(request.input_bytes).toBeGreaterThan(1_000 + 16_384)
    expect(request.input_bytes).toBeLessThan(1_000 + 16_384 + 400)
  })

  it.each([
    ['a file that it holds by its size', 'text/plain', 30_000],
    ['a picture that it holds as any other', 'image/png', 16_384],
  ])('counts %s', async (_, type, bytes) => {
    const { app, calls } = agentsApp()
    const file_data = `data:${type};base64,${'A'.repeat(40_000)}`
    const content = [{ type: 'file', file: { file_data } }]
    await app.request('/agents/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify({ model: 'droid/first', messages: [{ role: 'user', content }] }),
    })
    const args = calls.find(({ name }) => name === 'begin_execution')?.args
    const { input_bytes } = args?.request as Record<string, unknown>
    expect(input_bytes).toBeGreaterThan(bytes)
    expect(input_bytes).toBeLessThan(bytes + 400)
  })
})
