import type { Admin, Db } from '../database.ts'
import { type ErrorCode, errorCodes, toAppError } from '../errors.ts'
import type { WorkerLife } from '../http/worker-life.ts'
import { type Clock, sleep } from '../time.ts'
import type { BegunExecution, FinishedExecution } from './execution.ts'
import { finishExecution } from './finish.ts'
import { isCancellation } from './outcome.ts'
import { isOver, readResult } from './stream/log-reader.ts'

/** Milliseconds between two polls for an execution's turn; a poll also renews the lease. */
export const queueInterval = 500

/** Milliseconds after which waiting ends. */
export const longestWait = 90_000
/** Milliseconds that an answer has after the wait, on a worker whose life is bounded. */
export const timeToAnswer = 30_000

export interface QueueDependencies {
  readonly db: Db
  /** Ends an execution that cannot start, which callers must not do for themselves. */
  readonly admin: Admin
  readonly worker: Pick<WorkerLife, 'left'>
  readonly clock: Clock
  readonly random: () => number
}

/** An execution that may run now, or its end during the wait. */
export type Turn =
  | { readonly execution: BegunExecution; readonly stored?: never }
  | { readonly stored: FinishedExecution }

/**
 * Waits until the earlier executions of the session have ended, then starts this one. It ends as
 * failed when the wait is too long (`session_busy`) or when the database refuses the start.
 */
export async function awaitTurn(
  { db, admin, worker, clock, random }: QueueDependencies,
  waiting: BegunExecution,
  providers: readonly string[],
): Promise<Turn> {
  const { execution_id } = waiting
  const latest = clock.now() + Math.min(longestWait, worker.left() - timeToAnswer)
  while (clock.now() < latest) {
    await sleep(clock, queueInterval)
    let next: BegunExecution
    try {
      const begun = await db.call('start_execution', { execution_id, providers: [...providers] })
      next = { ...waiting, ...(begun as BegunExecution) }
    } catch (error) {
      const { code } = toAppError(error)
      if (code === 'database_unavailable') continue
      // It starts as the caller, who has no access any more.
      const revoked = code === 'no_organization' || code === 'permission_denied'
      return fail(revoked ? 'access_revoked' : code)
    }
    if (next.status === 'running') return { execution: next }
    if (isOver(next.status)) return { stored: await readResult(db, execution_id) }
  }
  return fail('session_busy')

  async function fail(code: ErrorCode): Promise<Turn> {
    const stored = await finishExecution(
      admin,
      waiting,
      {
        status: isCancellation(code) ? 'cancelled' : 'failed',
        error_code: code,
        error_message: errorCodes[code].message,
        fault: 'platform',
      },
      { clock, random },
    )
    return { stored }
  }
}
