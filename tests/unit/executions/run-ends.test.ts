import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import type { Outcome } from '../../../supabase/functions/_shared/executions/execution.ts'
import { fakeModels, helloAnswer, storedEnd } from '../../support/agents/agents-fixture.ts'
import { run } from './run-support.ts'
import { fakeClock } from '../../support/clocks.ts'

describe('storing the end', () => {
  const unavailable = () => new AppError('database_unavailable')

  it('is tried again while the database is away', async () => {
    let failures = 2
    const clock = fakeClock()
    const { outcomes, stored } = await run(fakeModels(), {
      clock,
      answers: {
        renew_execution_lease: () => 'running',
        finish_execution: ({ outcome }) => {
          if (failures-- > 0) throw unavailable()
          return storedEnd(outcome as Outcome)
        },
      },
    })
    expect(stored).toMatchObject({ status: 'success' })
    expect(outcomes).toHaveLength(3)
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1)
  })

  it('is given up when the lease may be over, which then ends the execution', async () => {
    const clock = fakeClock()
    const began = clock.now()
    const tries: number[] = []
    const { stored } = await run(fakeModels(), {
      clock,
      answers: {
        finish_execution: () => {
          tries.push(clock.now() - began)
          throw unavailable()
        },
      },
    })
    expect(stored).toMatchObject({ code: 'database_unavailable' })
    // A restarted database is back within seconds: the answer of a model is not lost for it.
    expect(tries.at(-1)).toBeGreaterThan(5_000)
    expect(tries.at(-1)).toBeLessThan(30_000)
    expect(tries).toHaveLength(7)
  })

  it('is not repeated when it was refused', async () => {
    const { outcomes, stored } = await run(fakeModels(), {
      answers: {
        finish_execution: () => {
          throw new AppError('invalid_request')
        },
      },
    })
    expect(stored).toMatchObject({ code: 'invalid_request' })
    expect(outcomes).toHaveLength(1)
  })
})

describe('a worker that is about to be ended', () => {
  it('stores what it has, as interrupted, and stops the model', async () => {
    const shutdown = new AbortController()
    const models = fakeModels(async function* (_step, _request, { signal }) {
      yield* helloAnswer.slice(0, 1)
      shutdown.abort()
      signal.throwIfAborted()
    })
    const { ends, written } = await run(models, { shutdown: shutdown.signal })
    expect(ends).toMatchObject([
      { status: 'failed', error_code: 'interrupted', content: 'Hello', events_seq: 1 },
    ])
    expect(written.at(-1)).toContain('"errorText":"interrupted: ')
  })
})

describe('the lease', () => {
  /** A model that answers so many batches and then nothing until it is aborted. */
  const waitingAfter = (batches: number) =>
    fakeModels(async function* (_step, _request, { signal }) {
      yield* helloAnswer.slice(0, batches)
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    })
  const waiting = waitingAfter(1)

  it('is renewed while the model answers, and only then', async () => {
    const statuses = ['running', 'running', 'cancelled']
    const { calls } = await run(waitingAfter(0), {
      clock: fakeClock(),
      answers: { renew_execution_lease: () => statuses.shift() },
    })
    expect(calls.map(({ role, name }) => `${role} ${name}`)).toEqual([
      'service_role renew_execution_lease',
      'service_role renew_execution_lease',
      'service_role renew_execution_lease',
      'service_role finish_execution',
    ])
  })

  it('that is over because someone cancelled stops the model and keeps what had arrived', async () => {
    for (const status of ['cancelling', 'cancelled']) {
      const { outcomes, entries } = await run(waiting, {
        clock: fakeClock(),
        answers: { renew_execution_lease: () => status },
      })
      expect(outcomes).toMatchObject([{ status: 'cancelled', content: 'Hello' }])
      // Nobody has to look at it: the log says what was asked for, not a defect of ours.
      expect(entries).toMatchObject([{ level: 'info', code: 'execution_cancelled' }])
    }
  })

  it('that ran out ends the execution as interrupted', async () => {
    for (const status of ['failed', null]) {
      const { outcomes, entries } = await run(waiting, {
        clock: fakeClock(),
        answers: { renew_execution_lease: () => status },
      })
      expect(entries).toMatchObject([{ level: 'warn', code: 'interrupted' }])
      expect(outcomes).toMatchObject([
        { status: 'failed', error_code: 'interrupted', fault: 'platform' },
      ])
    }
  })

  it('of another attempt stops the model at once, and stores no more', async () => {
    const over = () => {
      throw new AppError('attempt_over')
    }
    const { stored, calls, written } = await run(waiting, {
      clock: fakeClock(),
      execution: { attempt: 3 },
      answers: {
        append_execution_events: over,
        renew_execution_lease: over,
        finish_execution: over,
      },
    })
    expect(stored).toMatchObject({ code: 'attempt_over' })
    expect(calls).toHaveLength(2)
    expect(calls.at(-1)?.name).toBe('finish_execution')
    expect(calls.map(({ args }) => args['attempt'])).toEqual([3, 3])
    // No end: the client that resumes follows the worker that goes on.
    expect(written.join('')).not.toContain('[DONE]')
  })

  it('goes on after a renewal that failed', async () => {
    const answers: (() => string)[] = [
      () => {
        throw new AppError('database_unavailable')
      },
      () => 'running',
      () => 'cancelled',
    ]
    const { outcomes, entries } = await run(waiting, {
      clock: fakeClock(),
      answers: { renew_execution_lease: () => answers.shift()?.() },
    })
    expect(outcomes).toMatchObject([{ status: 'cancelled' }])
    expect(entries[0]).toMatchObject({ event: 'events_not_stored', code: 'database_unavailable' })
  })
})
