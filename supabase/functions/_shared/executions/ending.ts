import { AppError, isErrorCode } from '../errors.ts'
import type { FinishedExecution } from './types.ts'

/**
 * Why a stored execution has no whole answer; null when it has one. The database has the last
 * word: an execution may have been ended elsewhere while its answer arrived.
 */
export function endingError({ status, error_code }: FinishedExecution): AppError | null {
  if (status === 'success') return null
  if (status === 'cancelled') return new AppError('execution_cancelled')
  return new AppError(isErrorCode(error_code) ? error_code : 'internal_error')
}
