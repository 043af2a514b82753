import type { Db } from '../database.ts'
import type { ExecutionStatus } from './execution.ts'

/**
 * Asks for the end of one's own execution. Its worker stops the provider within two seconds and
 * keeps what was said; until then the status is `running`. What has ended stays as it is.
 * @throws AppError `execution_not_found`
 */
export async function cancelExecution(
  db: Db,
  execution_id: string,
): Promise<{ readonly execution_id: string; readonly status: ExecutionStatus }> {
  const status = await db.call('cancel_execution', { execution_id })
  return { execution_id, status: status as ExecutionStatus }
}
