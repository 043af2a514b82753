import type { Admin } from '../database.ts'
import type { Clock } from '../models/clock.ts'
import { sleep } from './sleep.ts'
import type { BegunExecution } from './types.ts'

/** Milliseconds between two signs of life of a running execution. */
export const leaseInterval = 5_000

/**
 * Extends an execution's lease until the signal aborts, and reports when the database says that
 * it is to end: cancelled from elsewhere, or given up because its lease ran out.
 * @param admin because a caller could otherwise keep a dead execution alive
 * @param onError a renewal failed; the next one is tried all the same
 */
export async function keepLease(
  admin: Admin,
  { organization_id, execution_id }: BegunExecution,
  options: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly onEnded: (status: unknown) => void
    readonly onError: (error: unknown) => void
  },
): Promise<void> {
  for (;;) {
    await sleep(options.clock, leaseInterval, options.signal)
    if (options.signal.aborted) return
    try {
      const status = await admin.call('renew_execution_lease', { organization_id, execution_id })
      if (status === 'running') continue
      if (!options.signal.aborted) options.onEnded(status)
      return
    } catch (error) {
      options.onError(error)
    }
  }
}
