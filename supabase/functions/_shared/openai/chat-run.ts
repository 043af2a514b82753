import { checkFormat } from '../executions/answer-format.ts'
import type { BegunExecution, FinishedExecution, RouteStep } from '../executions/execution.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { runExecution } from '../executions/run.ts'
import type { ModelEvent } from '../models/model-protocol.ts'
import type { ChatRequest } from './chat-request.ts'

/** Told what each upstream read brought, and of which step of the route. */
export type OnEvents = (events: readonly ModelEvent[], step: RouteStep | undefined) => void

/**
 * Completes a chat completion: calls the model, or waits for the worker that does when the request is a
 * repetition.
 * @param awaitEnd waits for the end of an execution that another request began
 * @throws AppError only when its end could not be stored or read
 */
export async function runChat(
  deps: InvokeDependencies,
  execution: BegunExecution,
  { stream, answerSchema }: ChatRequest,
  awaitEnd: () => Promise<FinishedExecution>,
  onEvents?: OnEvents,
): Promise<FinishedExecution> {
  if (execution.replayed) return execution.result ?? awaitEnd()
  let step: RouteStep | undefined
  const models: InvokeDependencies['models'] = {
    ...deps.models,
    call(next, ...rest) {
      step = next
      return deps.models.call(next, ...rest)
    },
  }
  return runExecution({ ...deps, models, admin: deps.database.admin }, execution, {
    // What a dying worker had stored of a stream is what its end is charged by.
    stream,
    ...(onEvents && { onEvents: (events) => onEvents(events, step) }),
    check: (answer) => {
      // A cut answer or a tool call is not the requested JSON, and its finish reason says so.
      const isWhole = answer.finish?.reason === 'stop'
      if (answerSchema && isWhole) checkFormat(answerSchema, answer)
    },
  })
}
