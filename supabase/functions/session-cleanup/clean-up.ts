import type { Admin } from '../_shared/database.ts'
import type { Database as Schema } from '../_shared/database.types.ts'
import type { Clock } from '../_shared/time.ts'

type Functions = Schema['public']['Functions']

/** A function of the database that takes a batch and returns how many rows it handled. */
type Routine = {
  [Name in keyof Functions]: Functions[Name] extends { Args: { batch?: number }; Returns: number }
    ? Name
    : never
}[keyof Functions]

/** Handles at most a batch of rows and returns how many. */
type CleanUp = (batch: number) => Promise<number>

export interface CleanupLimits {
  /** Rows of one statement; small, so that no statement is long beside live traffic. */
  readonly batch: number
  /** Milliseconds after which no further batch is begun. */
  readonly budget: number
}

export interface CleanupReport {
  /** Rows handled, by the name that the database's list gives a clean-up. */
  readonly counts: Readonly<Record<string, number>>
  /** Whether nothing was left; false means: call again. */
  readonly complete: boolean
}

/**
 * Runs every clean-up of the database's list, which pg_cron runs where it does this work, in bounded
 * batches until one comes back empty or the time is spent: a short one may have given way to another
 * transaction. The clean-ups take turns, so that neither a long nor a failing one starves the others;
 * two runs at once do no harm.
 * @param others clean-ups that SQL cannot do, by the names of their counts
 * @throws the first failure, once the other clean-ups are done
 */
export async function cleanUp(
  admin: Admin,
  { batch, budget }: CleanupLimits,
  clock: Clock,
  others: Readonly<Record<string, CleanUp>> = {},
): Promise<CleanupReport> {
  const deadline = clock.now() + budget
  const list = await admin.call('clean_ups', {})
  const queue: [task: string, run: CleanUp][] = [
    ...list.map(({ task, routine }): [string, CleanUp] => [
      task,
      (size) => admin.call(routine as Routine, { batch: size }),
    ]),
    ...Object.entries(others),
  ]
  const counts: Record<string, number> = Object.fromEntries(queue.map(([task]) => [task, 0]))
  const failures: unknown[] = []
  while (clock.now() < deadline) {
    const next = queue.shift()
    if (next === undefined) break
    try {
      const [task, run] = next
      const handled = await run(batch)
      counts[task] = (counts[task] ?? 0) + handled
      if (handled > 0) queue.push(next)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return { counts, complete: queue.length === 0 }
}
