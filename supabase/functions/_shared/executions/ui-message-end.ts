import { AppError } from '../errors.ts'
import { endingError } from './ending.ts'
import { isCancellation } from './outcome.ts'
import type { FinishedExecution } from './types.ts'
import { abortChunks, errorChunks, finishChunks, type Position } from './ui-message-chunks.ts'
import { eventsText, withoutIds } from './ui-message-events.ts'

/**
 * Events by which the end of an execution is set off whose worker died: it may have sent some that
 * it did not live to store, and their ids must not be taken for ids of the end.
 */
export const lostEvents = 1_000_000

/**
 * The end of a stream as text. It is stored nowhere: it follows from the stored end of the
 * execution and the position after the last stored event, so every worker writes the same bytes.
 * @param after events up to this id are left out
 */
export function endText(
  executionId: string,
  position: Position,
  stored: FinishedExecution,
  after = 0,
): string {
  const first = position.id + 1 + (stored.error_code === 'interrupted' ? lostEvents : 0)
  const chunks = [...lastChunks(executionId, position, stored), '[DONE]']
  const seen = Math.min(Math.max(after + 1 - first, 0), chunks.length)
  return eventsText(first + seen, chunks.slice(seen))
}

/**
 * The end of a stream that cannot go on for its reader: the execution was deleted, or the reader may
 * not read it any more. It is no end of the execution, and so its events have no ids.
 */
export function goneText(): string {
  const { code, message } = new AppError('execution_not_found')
  return withoutIds([...errorChunks(null, `${code}: ${message}`), '[DONE]'])
}

function lastChunks(executionId: string, { open }: Position, stored: FinishedExecution): string[] {
  const error = endingError(executionId, stored)
  if (!error) return finishChunks(open, stored)
  const { code, message } = error
  return isCancellation(code) ? abortChunks(open, code) : errorChunks(open, `${code}: ${message}`)
}
