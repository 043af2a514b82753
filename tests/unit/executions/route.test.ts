import { describe, expect, it } from 'vitest'
import {
  callAlongRoute,
  defaultRetryPolicy,
  pauseAfter,
  type RetryPolicy,
} from '../../../supabase/functions/_shared/executions/route.ts'
import {
  ModelError,
  type ModelErrorCode,
} from '../../../supabase/functions/_shared/models/model-error.ts'
import { helloAnswer, routeStep } from '../../support/agents/agents-fixture.ts'
import { fakeClock } from '../../support/clocks.ts'

const outputSeen = (code: ModelErrorCode) =>
  Object.assign(new ModelError(code), { outputSeen: true })

/** Calls along a route of steps; each call fails as the script says, or answers. */
async function along(
  steps: string[],
  script: (Error | 'answer')[],
  policy: RetryPolicy = defaultRetryPolicy,
  signal = new AbortController().signal,
) {
  const clock = fakeClock()
  const called: string[] = []
  const repeated: string[] = []
  const rest = [...script]
  let received = 0
  const route = callAlongRoute(
    steps.map((name) => routeStep(name)),
    async (_step, take) => {
      const next = rest.shift()
      if (next === undefined) throw new Error('called more often than the script says')
      if (next !== 'answer') throw next
      helloAnswer.forEach(take)
    },
    (batch) => {
      received += Math.sign(batch.length)
    },
    {
      policy,
      clock,
      random: () => 0.5,
      signal,
      acquireProbe: async () => false,
      onAttempt: ({ name }) => called.push(name),
      onRetry: ({ name }, { code }) => repeated.push(`${name} ${code}`),
    },
  )
  const error = await route.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  return { called, repeated, received, error, pauses: clock.pauses }
}

describe('the route', () => {
  it('calls one step once when it answers', async () => {
    const { called, received, pauses } = await along(['a', 'b'], ['answer'])
    expect({ called, received, pauses }).toEqual({ called: ['a'], received: 3, pauses: [] })
  })

  it('repeats a step after a fault of its provider, then goes on to the next', async () => {
    const fault = new ModelError('provider_error')
    const { called, repeated, received, error } = await along(['a', 'b'], [fault, fault, 'answer'])
    expect({ called, received, error }).toEqual({
      called: ['a', 'a', 'b'],
      received: 3,
      error: null,
    })
    expect(repeated).toEqual(['a provider_error', 'a provider_error'])
  })

  it('makes no more calls than the policy allows, and fails with the last failure', async () => {
    const faults = Array.from({ length: 9 }, () => new ModelError('provider_timeout'))
    const { called, error } = await along(['a', 'b', 'c'], faults)
    expect(called).toEqual(['a', 'a', 'b', 'b'])
    expect(error).toBe(faults[3])
  })

  it('goes on at once after a fault of our account at the provider', async () => {
    const { called, pauses } = await along(
      ['a', 'b'],
      [new ModelError('provider_unauthorized'), 'answer'],
    )
    expect({ called, pauses }).toEqual({ called: ['a', 'b'], pauses: [] })
  })

  it('never repeats what the caller did wrong', async () => {
    const rejected = new ModelError('provider_rejected_request')
    const { called, error } = await along(['a', 'b'], [rejected])
    expect({ called, error }).toEqual({ called: ['a'], error: rejected })
  })

  it('never repeats a call whose output has begun, given out or not', async () => {
    const cut = outputSeen('provider_stream_truncated')
    expect(await along(['a', 'b'], [cut])).toMatchObject({ called: ['a'], error: cut })

    const late = new ModelError('provider_stream_truncated')
    let calls = 0
    const taken: unknown[] = []
    const route = callAlongRoute(
      [routeStep('a'), routeStep('b')],
      async (_step, take) => {
        calls += 1
        helloAnswer.slice(0, 1).forEach(take)
        throw late
      },
      (batch) => taken.push(batch),
      {
        policy: defaultRetryPolicy,
        clock: fakeClock(),
        random: () => 0,
        signal: new AbortController().signal,
        acquireProbe: async () => false,
        onAttempt: () => undefined,
        onRetry: () => undefined,
      },
    )
    await expect(route).rejects.toBe(late)
    expect({ calls, taken }).toEqual({ calls: 1, taken: [helloAnswer[0]] })
  })

  it('never repeats a defect of ours', async () => {
    const defect = new TypeError('defect')
    expect(await along(['a', 'b'], [defect])).toMatchObject({ called: ['a'], error: defect })
  })

  it('stops when it is aborted while it waits', async () => {
    const controller = new AbortController()
    const reason = new Error('cancelled')
    controller.abort(reason)
    const fault = new ModelError('provider_error')
    const { called, error } = await along(['a'], [fault], defaultRetryPolicy, controller.signal)
    expect({ called, error }).toEqual({ called: ['a'], error: reason })
  })

  it('without a step is model_unavailable', async () => {
    expect((await along([], [])).error).toMatchObject({ code: 'model_unavailable' })
  })
})

describe('the pause before another call', () => {
  const asking = (retryAfterMs: number) => new ModelError('provider_rate_limited', { retryAfterMs })

  it('is random up to a bound that doubles', () => {
    const fault = new ModelError('provider_error')
    expect(pauseAfter(fault, 1, defaultRetryPolicy, 0)).toBe(0)
    expect(pauseAfter(fault, 1, defaultRetryPolicy, 0.5)).toBe(200)
    expect(pauseAfter(fault, 2, defaultRetryPolicy, 0.5)).toBe(400)
    expect(pauseAfter(fault, 9, defaultRetryPolicy, 0.99)).toBe(defaultRetryPolicy.longestPause)
  })

  it('is never shorter than the provider asks', () => {
    expect(pauseAfter(asking(3_000), 1, defaultRetryPolicy, 0)).toBe(3_000)
    expect(pauseAfter(asking(3_000), 1, defaultRetryPolicy, 0.5)).toBe(3_200)
  })

  it('is none when the provider asks for more than the policy allows', async () => {
    expect(pauseAfter(asking(5_001), 1, defaultRetryPolicy, 0)).toBeNull()
    expect(await along(['a', 'b'], [asking(60_000), 'answer'])).toMatchObject({
      called: ['a', 'b'],
      pauses: [],
    })
  })
})
