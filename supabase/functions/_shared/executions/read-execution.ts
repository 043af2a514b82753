import type { Db } from '../database.ts'
import type { ExecutionStatus, FinishedExecution } from './execution.ts'
import { isOver, readResult } from './stream/log-reader.ts'

/** Behind every event: the answer has none. */
const afterAll = Number.MAX_SAFE_INTEGER

/** An execution that a client polls: its status, and its end once it has one. */
export type PolledExecution = {
  readonly execution_id: string
  readonly status: ExecutionStatus
} & Partial<Omit<FinishedExecution, 'already_final'>>

/**
 * Reads an execution that the caller may read.
 * @throws AppError `execution_not_found`
 */
export async function readExecution(db: Db, execution_id: string): Promise<PolledExecution> {
  const page = await db.call('read_execution', {
    execution_id,
    after_seq: afterAll,
    max_batches: 1,
  })
  const { status } = page as { readonly status: ExecutionStatus }
  if (!isOver(status)) return { execution_id, status }
  const { already_final: _, ...end } = await readResult(db, execution_id)
  return { execution_id, ...end }
}
