import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import {
  leastWork,
  timeToStore,
  WorkerLife,
} from '../../../supabase/functions/_shared/http/worker-life.ts'
import { agentsApp, fakeModels, helloAnswer } from '../../support/agents/agents-fixture.ts'
import { ManualClock } from '../../support/clocks.ts'

const seconds = 150
const life = seconds * 1_000 - timeToStore
const message = { message: { content: 'Hi' } }

describe('a worker of bounded life', () => {
  it('accepts work while enough is left, and then says that another worker takes it', async () => {
    const clock = new ManualClock()
    const { invoke, app, calls } = agentsApp({ worker: new WorkerLife(clock, () => seconds) })
    clock.advance(life - leastWork)
    expect((await invoke({ ...message, stream: false })).status).toBe(200)
    const begun = calls.length
    clock.advance(1)
    const late = await invoke(message)
    expect([late.status, late.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await late.json()).toMatchObject({ error: { code: 'worker_ending' } })
    const chat = await app.request('/agents/v1/chat/completions', { method: 'POST', body: '{}' })
    expect(chat.status).toBe(503)
    expect(await chat.json()).toMatchObject({ error: { code: 'worker_ending', param: null } })
    expect(calls).toHaveLength(begun)
  })

  it('ends what runs as interrupted, with the text so far, before the platform ends it', async () => {
    const clock = new ManualClock()
    const models = fakeModels(async function* (_step, _request, { signal }) {
      yield* helloAnswer.slice(0, 1)
      const ended = new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
      clock.advance(life)
      await ended
    })
    const worker = new WorkerLife(clock, () => seconds)
    const { invoke, outcomes } = agentsApp({ worker, models })
    const answer = await invoke({ ...message, stream: true })
    expect(await answer.text()).toContain('interrupted')
    expect(outcomes()).toMatchObject([{ error_code: 'interrupted', content: 'Hello' }])
  })

  it('accepts nothing once the platform has said that it ends', () => {
    const worker = new WorkerLife(new ManualClock(), () => null)
    expect(worker.left()).toBe(Infinity)
    worker.end()
    expect([worker.left(), worker.ending.aborted]).toEqual([0, true])
  })
})

it('a wrong bound fails what begins work, and nothing else', async () => {
  const worker = new WorkerLife(new ManualClock(), () => {
    throw new AppError('not_configured')
  })
  const { invoke, app } = agentsApp({ worker })
  expect(await (await invoke(message)).json()).toMatchObject({ error: { code: 'not_configured' } })
  expect((await app.request('/agents/health')).status).toBe(200)
})
