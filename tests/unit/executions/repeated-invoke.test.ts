import { describe, expect, it } from 'vitest'
import type { Models } from '../../../supabase/functions/_shared/executions/models.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import {
  agentsApp,
  begunExecution,
  eventTypes,
  fakeModels,
  helloAnswer,
  readEvents,
} from '../../support/agents/agents-fixture.ts'
import { fakeClock } from '../../support/clocks.ts'

const hello = { message: { content: 'Hello' } }
const whole = { ...hello, stream: false }
const bodyOf = async (response: Response): Promise<unknown> => response.json()

describe('the same request again', () => {
  /** The first request begins the execution, every later one finds it. */
  const repeated = (models: Models) => {
    let calls = 0
    let begun = 0
    const app = agentsApp({
      clock: fakeClock(),
      models: {
        ...models,
        call: (...args) => {
          calls += 1
          return models.call(...args)
        },
      },
      answers: {
        begin_execution: () => {
          begun += 1
          if (begun === 1) return begunExecution()
          // The database leaves out what only a new execution needs.
          const { execution_id, session_id, message_id, response_message_id, agent } =
            begunExecution()
          const ids = { execution_id, session_id, message_id, response_message_id, agent }
          return { ...ids, organization_id: 7, replayed: true, status: 'running', result: null }
        },
      },
    })
    return { ...app, modelCalls: () => calls }
  }
  const thoughtful = fakeModels([
    [
      { type: 'reasoning', text: 'Hm.' },
      { type: 'text', text: 'Hel' },
    ],
    [{ type: 'text', text: 'lo' }],
    [{ type: 'finish', reason: 'stop', rawReason: 'stop' }],
  ])
  const failing = (code: 'provider_stalled') =>
    fakeModels(async function* () {
      yield* helloAnswer.slice(0, 1)
      throw new ModelError(code)
    })

  it.each([
    ['succeeded', thoughtful, 'finish'],
    ['failed', failing('provider_stalled'), 'error'],
  ])('that %s is answered with the same bytes', async (_, models, end) => {
    const { invoke, modelCalls } = repeated(models)
    const first = await (await invoke(hello)).text()
    expect(eventTypes(first).slice(-2)).toEqual([end, '[DONE]'])
    expect(await (await invoke(hello)).text()).toBe(first)
    expect(modelCalls()).toBe(1)
  })

  it('is the same stream after an answer that was not streamed', async () => {
    const { invoke } = repeated(thoughtful)
    const answer = (await bodyOf(await invoke(whole))) as { message: { content: string } }
    expect(answer.message.content).toBe('Hello')
    const types = eventTypes(await (await invoke(hello)).text())
    expect(types).toEqual([
      'start',
      'start-step',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-end',
      'finish-step',
      'finish',
      '[DONE]',
    ])
  })

  it('is answered whole, or with the reason of the failure', async () => {
    const good = repeated(thoughtful)
    await (await good.invoke(hello)).text()
    const answer = await bodyOf(await good.invoke(whole))
    expect(answer).toMatchObject({ message: { content: 'Hello' }, finish_reason: 'stop' })
    const bad = repeated(failing('provider_stalled'))
    await (await bad.invoke(hello)).text()
    const response = await bad.invoke(whole)
    expect(response.status).toBe(504)
    expect(await bodyOf(response)).toMatchObject({ error: { code: 'provider_stalled' } })
  })

  it('that is still running follows it to its end, streamed or whole', async () => {
    let release: () => void = () => undefined
    const more = new Promise<void>((resolve) => (release = resolve))
    const { invoke, modelCalls } = repeated(
      fakeModels(async function* () {
        yield* helloAnswer.slice(0, 1)
        await more
        yield* helloAnswer.slice(1)
      }),
    )
    const first = (await invoke(hello)).text()
    const second = (await invoke(hello)).text()
    const third = invoke(whole)
    release()
    const events = readEvents(await second)
    expect(events).toEqual(readEvents(await first))
    expect(await bodyOf(await third)).toMatchObject({ message: { content: 'Hello there' } })
    expect(modelCalls()).toBe(1)
  })
})
