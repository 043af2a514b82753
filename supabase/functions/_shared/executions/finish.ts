import type { Admin } from '../database.ts'
import { toAppError } from '../errors.ts'
import type { Clock } from '../models/clock.ts'
import { sleep } from './sleep.ts'
import type { BegunExecution, FinishedExecution, Outcome } from './types.ts'

/** Pauses in milliseconds before the second and each later try. */
const pauses = [100, 400, 1_500]

/**
 * Stores the one end of an execution and returns it as stored, which differs from the outcome
 * when the execution had ended before, by a cancel for instance. Trying again is safe: the first
 * call that arrived decides.
 * @param admin because usage and cost must not be writable by the caller they are charged to
 * @throws AppError when the database stays out of reach; the lease then ends the execution
 */
export async function finishExecution(
  admin: Admin,
  { organization_id, execution_id }: BegunExecution,
  outcome: Outcome,
  { clock, random }: { readonly clock: Clock; readonly random: () => number },
): Promise<FinishedExecution> {
  for (const pause of pauses) {
    try {
      return await store()
    } catch (error) {
      // Only what another moment may change; a refusal would be refused again.
      if (toAppError(error).code !== 'database_unavailable') throw error
      await sleep(clock, pause * (0.5 + random()))
    }
  }
  return store()

  async function store(): Promise<FinishedExecution> {
    const stored = await admin.call('finish_execution', { organization_id, execution_id, outcome })
    return stored as FinishedExecution
  }
}
