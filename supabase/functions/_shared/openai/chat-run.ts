import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import { checkAnswer } from '../executions/answer-format.ts'
import { isOver, readResult } from '../executions/log-reader.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { followInterval } from '../executions/follow.ts'
import { runExecution } from '../executions/run.ts'
import { sleep } from '../executions/sleep.ts'
import type {
  BegunExecution,
  ExecutionStatus,
  FinishedExecution,
  RouteStep,
} from '../executions/types.ts'
import type { ModelEvent } from '../models/types.ts'
import type { ChatRequest } from './chat-request.ts'

/** Milliseconds after which a repeat stops waiting for the first request: clients come again. */
const longestWait = 100_000

/** Told what each upstream read brought, and of which step of the route. */
export type OnEvents = (events: readonly ModelEvent[], step: RouteStep | undefined) => void

/**
 * Brings a chat completion to its end: calls the model, or waits for whoever does when the request
 * was made before.
 * @throws AppError `execution_in_progress` when that takes too long, or what cannot be stored
 */
export async function runChat(
  deps: InvokeDependencies,
  db: Db,
  execution: BegunExecution,
  { stream, answerSchema }: ChatRequest,
  onEvents?: OnEvents,
): Promise<FinishedExecution> {
  if (execution.replayed) return execution.result ?? awaitEnd(deps, db, execution)
  let step: RouteStep | undefined
  const models: InvokeDependencies['models'] = {
    ...deps.models,
    call(next, ...rest) {
      step = next
      return deps.models.call(next, ...rest)
    },
  }
  return runExecution({ ...deps, models, admin: deps.database.admin }, execution, {
    stream,
    // Nobody reads these, but what a dying worker had stored is what its end is charged by.
    ...(stream && { write: () => undefined }),
    ...(onEvents && { onEvents: (events) => onEvents(events, step) }),
    check: (answer) => {
      // An answer cut short, or a tool call, is not the promised one, and says so by itself.
      const isWhole = answer.finish?.reason === 'stop'
      const callsTool = answer.parts.some(({ type }) => type === 'tool_call')
      if (answerSchema && isWhole && !callsTool) checkAnswer(answerSchema, answer.content)
    },
  })
}

async function awaitEnd(
  { clock }: InvokeDependencies,
  db: Db,
  { execution_id }: BegunExecution,
): Promise<FinishedExecution> {
  const latest = clock.now() + longestWait
  while (clock.now() < latest) {
    // Its status alone: of the events no more than the last batch.
    const after_seq = Number.MAX_SAFE_INTEGER
    const page = await db.call('read_execution', { execution_id, after_seq, max_batches: 1 })
    if (isOver((page as { status: ExecutionStatus }).status)) return readResult(db, execution_id)
    await sleep(clock, followInterval)
  }
  throw new AppError('execution_in_progress', { headers: { 'retry-after': '2' } })
}
