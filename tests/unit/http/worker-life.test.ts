import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { timeToStore, WorkerLife } from '../../../supabase/functions/_shared/http/worker-life.ts'
import { agentsApp, fakeModels, helloAnswer } from '../../support/agents/agents-fixture.ts'
import { ManualClock } from '../../support/clocks.ts'

const seconds = 150
const life = seconds * 1_000 - timeToStore
const message = { message: { content: 'Hi' } }

/** A model that says a word, lets time pass, and then answers only if nothing ends it. */
const slowModels = (clock: ManualClock, milliseconds: number) =>
  fakeModels(async function* (_step, _request, { signal }) {
    yield* helloAnswer.slice(0, 1)
    clock.advance(milliseconds)
    signal.throwIfAborted()
    yield* helloAnswer.slice(1)
  })

describe('a worker of bounded life', () => {
  it('ends what runs as interrupted, with the text so far, before the platform ends it', async () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => seconds)
    const { invoke, outcomes } = agentsApp({ worker, models: slowModels(clock, life) })
    const answer = await invoke({ ...message, stream: true })
    expect(await answer.text()).toContain('interrupted')
    expect(outcomes()).toMatchObject([{ error_code: 'interrupted', content: 'Hello' }])
  })

  it('forgets a bound that a request in its second half shows to be wrong', async () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => seconds)
    const { invoke, outcomes } = agentsApp({ worker, models: slowModels(clock, life) })
    clock.advance((seconds * 1_000) / 2 + 1)
    expect((await invoke({ ...message, stream: false })).status).toBe(200)
    expect(outcomes()).toMatchObject([{ status: 'success', content: 'Hello there' }])
    expect([worker.left(), clock.timers]).toEqual([Infinity, 0])
  })

  it('has no time left once the platform has said that it ends', () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => seconds)
    expect(worker.left()).toBe(life)
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
