import type { Caller } from '../auth/access-token.ts'
import type { Db } from '../database.ts'
import { toAppError } from '../errors.ts'
import {
  type BegunExecution,
  endingError,
  type FinishedExecution,
} from '../executions/execution.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { timeForWholeAnswer } from '../executions/run-state.ts'
import { awaitExecution } from '../executions/stream/follow-execution.ts'
import { errorStack } from '../log/log.ts'
import { beginChat } from './begin-chat.ts'
import type { ChatRequest } from './chat-request.ts'
import { runChat } from './chat-run.ts'
import { streamChat } from './stream-chat.ts'

export interface ChatOptions {
  readonly idempotencyKey: string | undefined
  /** Aborts when the client leaves before it has an answer. */
  readonly signal: AbortSignal
}

/**
 * Answers a chat completion, as a stream or whole. A client that leaves cancels it, because it
 * could not come back to it; one that gave an `Idempotency-Key` can, and does not.
 * @throws AppError while nothing was sent, and why a whole answer failed
 */
export async function completeChat(
  deps: InvokeDependencies,
  caller: Caller,
  request: ChatRequest,
  { idempotencyKey, signal }: ChatOptions,
): Promise<Response> {
  const db = deps.database.forCaller(caller.accessToken)
  const execution = await beginChat(db, request, idempotencyKey, deps.models.providers)
  const leave = () => {
    if (idempotencyKey === undefined) deps.waitUntil(cancelLeft(deps, db, execution))
  }
  signal.addEventListener('abort', leave, { once: true })
  // Left while it began: the event has been.
  if (signal.aborted) leave()
  try {
    const { execution_id } = execution
    const awaitEnd = (left: AbortSignal, longest?: number) =>
      awaitExecution(deps, caller, execution_id, left, longest)
    if (request.stream) return await streamChat(deps, execution, request, awaitEnd, leave)
    const awaitWhole = () => awaitEnd(signal, timeForWholeAnswer)
    return await answerWhole(deps, execution, request, awaitWhole)
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

async function answerWhole(
  deps: InvokeDependencies,
  execution: BegunExecution,
  request: ChatRequest,
  awaitEnd: () => Promise<FinishedExecution>,
): Promise<Response> {
  const done = runChat(deps, execution, request, awaitEnd)
  deps.waitUntil(done)
  const stored = await done
  const error = endingError(execution.execution_id, stored)
  if (error) throw error
  const headers = { 'x-execution-id': execution.execution_id }
  return Response.json(request.dialect.toWhole(execution, stored), { headers })
}

/** After a client left: asks the worker to stop, which is this one: it looks for that with each renewal of the lease. */
export async function cancelLeft(
  { log }: InvokeDependencies,
  db: Db,
  { execution_id }: BegunExecution,
): Promise<void> {
  try {
    await db.call('cancel_execution', { execution_id })
  } catch (thrown) {
    const { code } = toAppError(thrown)
    const detail = errorStack(thrown)
    log({ level: 'warn', event: 'execution_not_cancelled', execution_id, code, detail })
  }
}
