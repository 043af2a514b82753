import { describe, expect, it } from 'vitest'
import type { Admin } from '../../../supabase/functions/_shared/database.ts'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { cleanUp } from '../../../supabase/functions/session-cleanup/clean-up.ts'
import { ManualClock } from '../../support/clocks.ts'

const list = [
  { task: 'sessions', routine: 'end_sessions', schedule: '* * * * *' },
  { task: 'states', routine: 'end_states', schedule: '* * * * *' },
  { task: 'tokens', routine: 'end_tokens', schedule: '* * * * *' },
]

/** A database in which each function has so many rows left; each call takes a millisecond. */
function databaseWith(left: Record<string, number>) {
  const calls: string[] = []
  const clock = new ManualClock()
  const admin = {
    role: 'service_role',
    call: async (name: string, { batch = 0 }: { batch?: number }) => {
      if (name === 'clean_ups') return [...list]
      calls.push(name)
      clock.advance(1)
      if (left[name] === undefined) return 0
      if (left[name] < 0) throw new AppError('database_unavailable')
      const handled = Math.min(batch, left[name])
      left[name] -= handled
      return handled
    },
  } as Admin
  return { admin, calls, clock }
}

describe('cleaning up', () => {
  it('calls each function of the list until a batch comes back empty, in turns', async () => {
    const { admin, calls, clock } = databaseWith({ end_sessions: 25, end_tokens: 10 })
    expect(await cleanUp(admin, { batch: 10, budget: 1_000 }, clock)).toEqual({
      counts: { sessions: 25, states: 0, tokens: 10 },
      complete: true,
    })
    expect(calls).toEqual([
      'end_sessions',
      'end_states',
      'end_tokens',
      'end_sessions',
      'end_tokens',
      'end_sessions',
      'end_sessions',
    ])
  })

  it('stops when its time is spent, and says that something is left', async () => {
    const { admin, calls, clock } = databaseWith({ end_sessions: 1_000_000 })
    const report = await cleanUp(admin, { batch: 10, budget: 10 }, clock)
    expect(report.complete).toBe(false)
    expect(report.counts['sessions']).toBe(80)
    expect(calls).toHaveLength(10)
  })

  it('fails with the first failure, but only once the others are done', async () => {
    const { admin, calls, clock } = databaseWith({ end_sessions: -1, end_tokens: 15 })
    await expect(cleanUp(admin, { batch: 10, budget: 1_000 }, clock)).rejects.toMatchObject({
      code: 'database_unavailable',
    })
    expect(calls.filter((name) => name === 'end_tokens')).toHaveLength(3)
    expect(calls.filter((name) => name === 'end_sessions')).toHaveLength(1)
  })
})
