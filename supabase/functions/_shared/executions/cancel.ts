import type { Db } from '../database.ts'
import type { ExecutionStatus } from './execution.ts'

/**
 * Requests the end of the caller's own execution. Its worker stops the provider when it next
 * renews the lease, and keeps the text so far; until then the status is `running`. An ended execution does not
 * change.
 * @throws AppError `execution_not_found`
 */
export async function cancelExecution(
  db: Db,
  execution_id: string,
): Promise<{ readonly execution_id: string; readonly status: ExecutionStatus }> {
  const status = await db.call('cancel_execution', { execution_id })
  return { execution_id, status: status as ExecutionStatus }
}
