import { endingError } from './ending.ts'
import type { FinishedExecution } from './types.ts'

/**
 * Answers with a whole execution, as it is stored.
 * @throws AppError why the execution failed
 */
export function answerJson(
  { execution_id, session_id }: { readonly execution_id: string; readonly session_id: string },
  stored: FinishedExecution,
): Response {
  const error = endingError(execution_id, stored)
  if (error) throw error
  const { message, usage, finish_reason, cost_usd, model } = stored
  const answer = { execution_id, session_id, message, usage, finish_reason, cost_usd, model }
  return Response.json(answer, { headers: { 'x-execution-id': execution_id } })
}
