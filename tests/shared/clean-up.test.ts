import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { Admin } from '../../supabase/functions/_shared/database.ts'
import { AppError } from '../../supabase/functions/_shared/errors.ts'
import { cleanUp, tasks } from '../../supabase/functions/session-cleanup/clean-up.ts'

/** A database in which every function has so many rows left; each call takes a millisecond. */
function databaseWith(left: Record<string, number>) {
  const calls: string[] = []
  let time = 0
  const admin = {
    role: 'service_role',
    call: async (name: string, { batch }: { batch: number }) => {
      calls.push(name)
      time += 1
      if (left[name] === undefined) return 0
      if (left[name] < 0) throw new AppError('database_unavailable')
      const handled = Math.min(batch, left[name])
      left[name] -= handled
      return handled
    },
  } as Admin
  return { admin, calls, now: () => time }
}

describe('cleaning up', () => {
  it('does from outside what pg_cron does in the database', async () => {
    const upkeep = new URL('../../supabase/migrations/20261120001600_upkeep.sql', import.meta.url)
    const [, job = ''] =
      /cron\.schedule\(.*?\$job\$(.*?)\$job\$/s.exec(await readFile(upkeep, 'utf8')) ?? []
    const called = [...job.matchAll(/public\.(\w+)\(\)/g)].map(([, name]) => name)
    expect(called.length).toBeGreaterThan(3)
    expect(Object.values(tasks)).toEqual(called)
  })

  it('calls each function until a batch comes back empty, in turns', async () => {
    const { admin, calls, now } = databaseWith({
      cleanup_expired_sessions: 25,
      cleanup_expired_oauth_tokens: 10,
    })
    expect(await cleanUp(admin, { batch: 10, budget: 1_000 }, now)).toEqual({
      counts: {
        expired_sessions: 25,
        expired_oauth_states: 0,
        expired_oauth_tokens: 10,
        expired_executions: 0,
        expired_idempotency_keys: 0,
        expired_tool_approvals: 0,
      },
      complete: true,
    })
    expect(calls).toEqual([
      'cleanup_expired_sessions',
      'cleanup_expired_oauth_states',
      'cleanup_expired_oauth_tokens',
      'expire_execution_leases',
      'expire_idempotency_keys',
      'expire_tool_approvals',
      'cleanup_expired_sessions',
      'cleanup_expired_oauth_tokens',
      'cleanup_expired_sessions',
      'cleanup_expired_sessions',
    ])
  })

  it('stops when its time is spent, and says that something is left', async () => {
    const { admin, calls, now } = databaseWith({ cleanup_expired_sessions: 1_000_000 })
    const report = await cleanUp(admin, { batch: 10, budget: 10 }, now)
    expect(report.complete).toBe(false)
    expect(report.counts.expired_sessions).toBe(50)
    expect(calls).toHaveLength(10)
  })

  it('fails with the first failure, but only once the others are done', async () => {
    const { admin, calls, now } = databaseWith({
      cleanup_expired_sessions: -1,
      expire_execution_leases: 15,
    })
    await expect(cleanUp(admin, { batch: 10, budget: 1_000 }, now)).rejects.toMatchObject({
      code: 'database_unavailable',
    })
    expect(calls.filter((name) => name === 'expire_execution_leases')).toHaveLength(3)
    expect(calls.filter((name) => name === 'cleanup_expired_sessions')).toHaveLength(1)
  })
})
