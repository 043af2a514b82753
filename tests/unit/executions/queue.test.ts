import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import {
  awaitTurn,
  longestWait,
  queueInterval,
  timeToAnswer,
} from '../../../supabase/functions/_shared/executions/queue.ts'
import { begunExecution, fakeDatabase } from '../../support/agents/agents-fixture.ts'
import { fakeClock } from '../../support/clocks.ts'

const waiting = begunExecution({ status: 'pending', route: [] })

async function wait(start: () => unknown, left = Infinity) {
  const { admin, db, outcomes, calls } = fakeDatabase({ start_execution: start })
  const clock = fakeClock()
  const worker = { left: () => left }
  const deps = { admin, db, worker, clock, random: () => 0 }
  const turn = await awaitTurn(deps, waiting, ['openrouter'])
  return { turn, outcomes: outcomes(), calls, clock }
}

describe('an execution that waits for its session', () => {
  it('asks as the caller until it is its turn, and then has its route and history', async () => {
    const statuses = ['pending', 'pending', 'running']
    const { turn, calls, clock } = await wait(() => {
      const status = statuses.shift()
      return status === 'running' ? begunExecution() : { ...waiting, status }
    })
    expect(turn).toEqual({ execution: begunExecution() })
    expect(clock.pauses).toEqual([queueInterval, queueInterval, queueInterval])
    expect(calls.every(({ role }) => role === 'authenticated')).toBe(true)
  })

  it('waits on while the database is away', async () => {
    const answers = [
      () => {
        throw new AppError('database_unavailable')
      },
      () => begunExecution(),
    ]
    expect((await wait(() => answers.shift()?.())).turn).toEqual({ execution: begunExecution() })
  })

  it('fails as busy when that takes too long, before the platform ends the worker', async () => {
    const { turn, outcomes, calls } = await wait(() => waiting)
    expect(turn.stored).toMatchObject({ status: 'failed', error_code: 'session_busy' })
    expect(outcomes).toMatchObject([{ error_code: 'session_busy', fault: 'platform' }])
    expect(calls.length - 1).toBe(longestWait / queueInterval)
  })

  it('starts no later than an answer still fits into the life of the worker', async () => {
    const left = timeToAnswer + 10 * queueInterval
    const { turn, calls } = await wait(() => waiting, left)
    expect(turn.stored).toMatchObject({ error_code: 'session_busy' })
    expect(calls.length - 1).toBe(10)
    const none = await wait(() => waiting, timeToAnswer)
    expect(none.turn.stored).toMatchObject({ error_code: 'session_busy' })
    expect(none.calls).toHaveLength(1)
  })

  it('fails for what the database says against it by then', async () => {
    const { outcomes } = await wait(() => {
      throw new AppError('circuit_open')
    })
    expect(outcomes).toMatchObject([{ status: 'failed', error_code: 'circuit_open' }])
  })
})
