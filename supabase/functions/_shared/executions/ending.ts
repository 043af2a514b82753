import { AppError, isErrorCode } from '../errors.ts'
import type { FinishedExecution } from './types.ts'

/**
 * Why a stored execution has no whole answer; null when it has one. The database has the last
 * word: an execution may have been ended elsewhere while its answer arrived.
 */
export function endingError(
  executionId: string,
  { status, error_code }: FinishedExecution,
): AppError | null {
  if (status === 'success') return null
  const stopped = status === 'cancelled' && error_code !== 'access_revoked'
  const code = stopped ? 'execution_cancelled' : error_code
  // Under this id the client can read what had arrived.
  const headers = { 'x-execution-id': executionId }
  return new AppError(isErrorCode(code) ? code : 'internal_error', { headers })
}
