import { endingError } from './ending.ts'
import type { BegunExecution } from './types.ts'
import type { WaitUntil, Work } from './work.ts'

/**
 * Answers with the whole execution once it is stored.
 * @throws AppError why the execution failed
 */
export async function answerJson(
  { execution_id, session_id }: BegunExecution,
  work: Work,
  { waitUntil }: { readonly waitUntil: WaitUntil },
): Promise<Response> {
  const done = work()
  // The client may leave meanwhile; its answer is stored all the same.
  waitUntil(done)
  const stored = await done
  const error = endingError(execution_id, stored)
  if (error) throw error
  const { message, usage, finish_reason, cost_usd, model } = stored
  const answer = { execution_id, session_id, message, usage, finish_reason, cost_usd, model }
  return Response.json(answer, { headers: { 'x-execution-id': execution_id } })
}
