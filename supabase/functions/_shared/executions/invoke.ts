import type { Caller } from '../auth/access-token.ts'
import type { Database } from '../database.ts'
import { AppError } from '../errors.ts'
import { answerJson } from './answer-json.ts'
import { answerStream } from './answer-stream.ts'
import { beginExecution } from './begin.ts'
import type { Invocation } from './invocation.ts'
import { runExecution, type RunDependencies } from './run.ts'
import type { WaitUntil, Work } from './work.ts'

export interface InvokeDependencies extends Omit<RunDependencies, 'admin'> {
  readonly database: Database
  readonly waitUntil: WaitUntil
}

/**
 * One turn of one conversation: begins the execution and answers it, as a stream or whole.
 * @throws AppError while nothing has been written, or, without a stream, why the answer failed
 */
export async function invoke(
  deps: InvokeDependencies,
  caller: Caller,
  invocation: Invocation,
  idempotencyKey: string | undefined,
): Promise<Response> {
  const { database, models, log, waitUntil } = deps
  const { stream } = invocation
  const db = database.forCaller(caller.accessToken)
  const execution = await beginExecution(db, invocation, idempotencyKey, models.providers)
  if (execution.replayed && !execution.result) throw new AppError('execution_in_progress')

  const work: Work = async (onEvents) =>
    execution.result ??
    runExecution({ ...deps, admin: database.admin }, execution, {
      stream,
      ...(onEvents && { onEvents }),
    })
  return stream
    ? answerStream(execution, work, { log, waitUntil })
    : answerJson(execution, work, { waitUntil })
}
