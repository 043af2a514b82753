import { type Admin, untilStored } from '../database.ts'
import type { Clock } from '../time.ts'
import type { BegunExecution, FinishedExecution, Outcome } from './execution.ts'

/**
 * Stores the one end of an execution and returns the stored end. It differs from the outcome when
 * the execution had already ended, for example by a cancel. A retry is safe: the first call
 * decides.
 * @param admin because usage and cost must not be writable by the caller they are charged to
 * @throws AppError when the database stays out of reach, or `attempt_over`; the execution then goes on or
 * ends without this worker
 */
export async function finishExecution(
  admin: Admin,
  { organization_id, execution_id, attempt }: BegunExecution,
  outcome: Outcome,
  timing: { readonly clock: Clock; readonly random: () => number },
): Promise<FinishedExecution> {
  const stored = await untilStored(
    () => admin.call('finish_execution', { organization_id, execution_id, outcome, attempt }),
    timing,
  )
  return stored as FinishedExecution
}
