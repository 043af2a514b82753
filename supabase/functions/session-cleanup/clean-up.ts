import type { Admin } from '../_shared/database.ts'

/**
 * The database's cleanup functions, by the name under which their rows are counted: all that pg_cron
 * runs where it does this work.
 */
export const tasks = {
  expired_sessions: 'cleanup_expired_sessions',
  expired_oauth_states: 'cleanup_expired_oauth_states',
  expired_oauth_tokens: 'cleanup_expired_oauth_tokens',
  expired_executions: 'expire_execution_leases',
  expired_idempotency_keys: 'expire_idempotency_keys',
  expired_tool_approvals: 'expire_tool_approvals',
} as const

type Task = keyof typeof tasks

export interface CleanupLimits {
  /** Rows of one statement; small, so that no statement is long beside live traffic. */
  readonly batch: number
  /** Milliseconds after which no further batch is begun. */
  readonly budget: number
}

export interface CleanupReport {
  /** Rows handled. */
  readonly counts: Readonly<Record<Task, number>>
  /** Whether nothing was left; false means: call again. */
  readonly complete: boolean
}

/**
 * Runs every cleanup in bounded batches until one comes back empty or the time is spent: a short
 * one may have given way to somebody. The tasks take turns, so that neither a long nor a failing
 * one starves the others; two runs at once do no harm.
 * @throws the first failure, once the other tasks are done
 */
export async function cleanUp(
  admin: Admin,
  { batch, budget }: CleanupLimits,
  now: () => number,
): Promise<CleanupReport> {
  const deadline = now() + budget
  const names = Object.keys(tasks) as Task[]
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Task, number>
  const failures: unknown[] = []
  const queue = [...names]
  while (queue.length > 0 && now() < deadline) {
    const name = queue.shift() as Task
    try {
      const handled = await admin.call(tasks[name], { batch })
      counts[name] += handled
      if (handled > 0) queue.push(name)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return { counts, complete: queue.length === 0 }
}
