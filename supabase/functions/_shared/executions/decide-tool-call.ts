import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import type { Db } from '../database.ts'
import { AppError, toAppError } from '../errors.ts'
import { sleep } from '../time.ts'
import { keptFormat } from './answer-format.ts'
import type { BegunExecution } from './execution.ts'
import type { InvokeDependencies } from './invoke.ts'
import { runExecution } from './run.ts'

/** Body of `POST /agents/executions/:id/approvals/:tool_call_id`. */
export const decisionSchema = z.strictObject({ decision: z.enum(['approve', 'deny']) })

export const toolCallIdSchema = z.object({
  tool_call_id: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'is not the id of a tool call'),
})

/**
 * A person may decide before the stream with the call has ended: the decision waits for the end.
 */
const patience = 5_000
const interval = 200

/** What `decide_tool_call` and `answer_tool_call` answer. */
interface Decided {
  readonly tool_call_id: string
  readonly status: string
  readonly waiting: number
  readonly continued_by: string | null
  readonly continuation: BegunExecution | null
}

/**
 * The answer to a client: the decision, and the execution that continues after the last decision.
 */
export interface Decision {
  readonly tool_call_id: string
  readonly status: string
  /** Calls of the same answer that are still to be decided. */
  readonly waiting: number
  /** `GET /agents/executions/:id/stream` follows it; null while calls wait. */
  readonly execution_id: string | null
}

/**
 * Approves or denies a call of the caller's own execution. The last decision begins the execution
 * that continues, which runs with or without followers.
 * @throws AppError `execution_not_found`, `tool_call_not_found`, `tool_call_decided`,
 * `tool_approval_expired`, `session_busy`, and each refusal of beginning an execution
 */
export async function decideToolCall(
  deps: InvokeDependencies,
  caller: Caller,
  execution_id: string,
  tool_call_id: string,
  decision: z.output<typeof decisionSchema>['decision'],
): Promise<Decision> {
  return continueWith(deps, caller, (db, providers) =>
    db.call('decide_tool_call', { execution_id, tool_call_id, decision, providers }),
  )
}

/** Stores a decision or an answer, and runs the execution that it begins. */
export async function continueWith(
  deps: InvokeDependencies,
  caller: Caller,
  store: (db: Db, providers: string[]) => Promise<unknown>,
): Promise<Decision> {
  const { database, models, clock, waitUntil } = deps
  const db = database.forCaller(caller.accessToken)
  const providers = [...models.providers]
  const latest = clock.now() + patience
  for (;;) {
    try {
      const { continuation, continued_by, ...decided } = (await store(db, providers)) as Decided
      if (decided.status === 'expired') throw new AppError('tool_approval_expired')
      if (continuation) {
        const { asked, check } = keptFormat(continuation)
        const execution = { ...continuation, ...(asked && { asked }) }
        const options = { stream: true, ...(check && { check }) }
        waitUntil(runExecution({ ...deps, db, admin: database.admin }, execution, options))
      }
      return { ...decided, execution_id: continued_by }
    } catch (error) {
      const tooEarly = toAppError(error).code === 'execution_in_progress'
      if (!tooEarly || clock.now() >= latest) throw error
      await sleep(clock, interval)
    }
  }
}
