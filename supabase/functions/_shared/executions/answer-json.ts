import type { ParsedSchema } from '../json-schema/parse-schema.ts'
import { storedObject } from './answer-format.ts'
import { endingError } from './ending.ts'
import type { FinishedExecution } from './types.ts'

/**
 * Answers with a whole execution, as it is stored.
 * @param format the schema that was asked for; the answer then has its value as `object`
 * @throws AppError why the execution failed
 */
export function answerJson(
  { execution_id, session_id }: { readonly execution_id: string; readonly session_id: string },
  stored: FinishedExecution,
  format?: ParsedSchema,
): Response {
  const error = endingError(execution_id, stored)
  if (error) throw error
  const { message, usage, finish_reason, cost_usd, model } = stored
  const answer = { execution_id, session_id, message, usage, finish_reason, cost_usd, model }
  const object = format && { object: storedObject(format, stored) }
  return Response.json({ ...answer, ...object }, { headers: { 'x-execution-id': execution_id } })
}
