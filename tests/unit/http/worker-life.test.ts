import { describe, expect, it } from 'vitest'
import { timeForWholeAnswer } from '../../../supabase/functions/_shared/executions/run-state.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { WorkerLife, workingShare } from '../../../supabase/functions/_shared/http/worker-life.ts'
import { agentsApp, fakeModels, helloAnswer } from '../../support/agents/agents-fixture.ts'
import { ManualClock } from '../../support/clocks.ts'

const seconds = 150
const life = seconds * 1_000 * workingShare
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

  it('answers after a presumed end that no request saw', async () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => seconds)
    const { invoke, outcomes } = agentsApp({ worker, models: slowModels(clock, 1) })
    await invoke({ ...message, stream: false })
    clock.advance(life)
    expect(worker.ending.aborted).toBe(true)
    clock.advance(seconds * 1_000)
    expect((await invoke({ ...message, stream: false })).status).toBe(200)
    expect(outcomes().map(({ status }) => status)).toEqual(['success', 'success'])
  })

  it('has no time left once the platform has said that it ends, and begins nothing', async () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => seconds)
    const { invoke, outcomes } = agentsApp({ worker })
    expect(worker.left()).toBe(life)
    worker.end()
    expect([worker.left(), worker.ending.aborted]).toEqual([0, true])
    const refused = await invoke(message)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refused.json()).toMatchObject({ error: { code: 'worker_ending' } })
    expect(outcomes()).toEqual([])
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

describe('a whole answer', () => {
  it('ends in the time in which the platform keeps a silent request, the queue and tools included', async () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => null)
    const { invoke, outcomes } = agentsApp({
      clock,
      worker,
      models: slowModels(clock, timeForWholeAnswer),
    })
    const refused = await invoke({ ...message, stream: false })
    expect(await refused.json()).toMatchObject({ error: { code: 'answer_timeout' } })
    expect(refused.status).toBe(504)
    expect(outcomes()).toMatchObject([{ error_code: 'answer_timeout', content: 'Hello' }])
    expect(clock.timers).toBe(0)
  })

  it('has no such bound while it is streamed', async () => {
    const clock = new ManualClock()
    const worker = new WorkerLife(clock, () => null)
    const { invoke, outcomes } = agentsApp({
      clock,
      worker,
      models: slowModels(clock, timeForWholeAnswer),
    })
    await (await invoke({ ...message, stream: true })).text()
    expect(outcomes()).toMatchObject([{ status: 'success' }])
  })
})
