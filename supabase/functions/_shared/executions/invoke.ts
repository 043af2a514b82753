import type { Caller } from '../auth/access-token.ts'
import type { Database } from '../database.ts'
import { toAppError } from '../errors.ts'
import type { WaitUntil } from '../http/wait-until.ts'
import type { WorkerLife } from '../http/worker-life.ts'
import type { ParsedSchema } from '../json-schema/parse-schema.ts'
import { checkFormat, storedObject } from './answer-format.ts'
import { beginExecution } from './begin.ts'
import { type BegunExecution, endingError, type FinishedExecution } from './execution.ts'
import type { Invocation } from './invocation.ts'
import { clientFor } from './client-for.ts'
import { awaitTurn } from './queue.ts'
import { type RunDependencies, runExecution, type RunOptions } from './run.ts'
import { timeForWholeAnswer } from './run-state.ts'
import { answerStream } from './stream/answer-stream.ts'
import {
  awaitExecution,
  type FollowDependencies,
  followExecution,
} from './stream/follow-execution.ts'
import { beginning } from './stream/ui-message-chunks.ts'
import { endText, uiMessageStreamHeaders } from './stream/ui-message-stream.ts'

export interface InvokeDependencies
  extends Omit<RunDependencies, 'admin'>, Pick<FollowDependencies, 'polls' | 'followers'> {
  readonly database: Database
  readonly waitUntil: WaitUntil
  readonly worker: WorkerLife
}

/**
 * One turn of a conversation: begins the execution and answers it, as a stream or whole. A repeated
 * request gets the execution that it began, from the first event on. Where a person answers, the execution
 * has ended as it begins, and its stream says so.
 * @param signal aborts when the client leaves before it has an answer
 * @throws AppError while nothing has been written, or, without a stream, why the answer failed
 */
export async function invoke(
  deps: InvokeDependencies,
  caller: Caller,
  invocation: Invocation,
  idempotencyKey: string | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const { database, models, waitUntil, clock } = deps
  const { stream, format } = invocation
  const since = clock.now()
  const db = clientFor(database, caller)
  const execution = await beginExecution(db, invocation, idempotencyKey, models.providers)
  if (execution.replayed) {
    const { execution_id, result } = execution
    if (stream) return followExecution({ ...deps, db }, caller, execution_id, 0)
    const stored =
      result ?? (await awaitExecution(deps, caller, execution_id, signal, timeForWholeAnswer))
    return answerJson(execution, stored, format?.schema)
  }
  if (execution.result) {
    const { execution_id, result } = execution
    if (!stream) return answerJson(execution, result, format?.schema)
    const headers = { ...uiMessageStreamHeaders, 'x-execution-id': execution_id }
    return new Response(endText(execution_id, beginning, result), { headers })
  }
  const options: RunOptions = {
    stream,
    since,
    ...(format && { check: (answer) => checkFormat(format.schema, answer) }),
  }
  const work = (write?: Write) =>
    takeTurn({ ...deps, db }, execution, { ...options, ...(write && { write }) })
  if (stream) return answerStream(execution.execution_id, work, deps)
  const done = work()
  // The client may leave meanwhile; its answer is stored all the same.
  waitUntil(done)
  const stored = await done.catch((error: unknown) => {
    if (toAppError(error).code !== 'attempt_over') throw error
    return awaitExecution(deps, caller, execution.execution_id, signal, timeForWholeAnswer)
  })
  return answerJson(execution, stored, format?.schema)
}

type Write = (text: string) => void

async function takeTurn(
  deps: InvokeDependencies & { readonly db: ReturnType<Database['forCaller']> },
  begun: BegunExecution,
  options: RunOptions,
): Promise<FinishedExecution> {
  const own = { ...deps, admin: deps.database.admin }
  const turn =
    begun.status === 'pending'
      ? await awaitTurn(own, begun, deps.models.providers)
      : { execution: begun }
  if (turn.stored) {
    options.write?.(endText(begun.execution_id, beginning, turn.stored))
    return turn.stored
  }
  return runExecution(own, turn.execution, options)
}

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
