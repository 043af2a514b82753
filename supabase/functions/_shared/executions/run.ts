import type { Admin } from '../database.ts'
import { toAppError } from '../errors.ts'
import { describe, type LogEntry } from '../http/log.ts'
import type { Clock } from '../models/clock.ts'
import { addToAnswer, emptyAnswer, type ModelAnswer } from '../models/model-answer.ts'
import { ModelError } from '../models/model-error.ts'
import type { ModelEvent } from '../models/types.ts'
import { finishExecution } from './finish.ts'
import { keepLease } from './lease.ts'
import { toModelRequest, type Models } from './models.ts'
import { failureOutcome, successOutcome, type AnswerOutcome } from './outcome.ts'
import { callAlongRoute, defaultRetryPolicy, type RetryPolicy } from './route.ts'
import type { BegunExecution, FinishedExecution, RouteStep } from './types.ts'

export interface RunDependencies {
  /** Ends executions and renews their leases, which callers must not do for themselves. */
  readonly admin: Admin
  readonly models: Models
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
  readonly log: (entry: LogEntry) => void
  readonly retryPolicy?: RetryPolicy
}

export interface RunOptions {
  readonly stream: boolean
  /** Receives the events of each upstream read; it must neither wait nor throw. */
  readonly onEvents?: (events: readonly ModelEvent[]) => void
  /** Judges a whole answer; an AppError that it throws is the end of the execution. */
  readonly check?: (answer: ModelAnswer) => void
}

/** Characters of output after which a provider is taken for broken. */
export const maxAnswerLength = 4 * 1024 * 1024

/** Someone ended the execution while it ran. */
class EndedElsewhere extends Error {
  constructor(readonly status: unknown) {
    super('the execution was ended elsewhere')
  }
}

/**
 * Runs a begun execution to its one end: calls the model along the route, collects the answer,
 * stores the outcome, whatever it is, and returns it as stored.
 * @throws AppError only when the outcome could not be stored
 */
export async function runExecution(
  deps: RunDependencies,
  execution: BegunExecution,
  options: RunOptions,
): Promise<FinishedExecution> {
  const { clock } = deps
  const began = clock.now()
  const elapsed = () => Math.round(clock.now() - began)
  const run: Run = { answer: emptyAnswer(), step: null, firstChunk: null }
  const provider = new AbortController()
  const over = new AbortController()
  const lease = keepLease(deps.admin, execution, {
    clock,
    signal: over.signal,
    onEnded: (status) => provider.abort(new EndedElsewhere(status)),
    onError: (error) => report(deps, execution, 'lease_not_renewed', error),
  })
  let outcome: AnswerOutcome
  try {
    await collectAnswer(deps, execution, options, run, provider.signal, elapsed)
    outcome = successOutcome(run.answer)
  } catch (error) {
    report(deps, execution, 'execution_failed', error)
    outcome = failedOutcome(run.answer, error)
  }
  over.abort()
  await lease
  return finishExecution(
    deps.admin,
    execution,
    {
      ...outcome,
      ...(run.step && { model_id: run.step.model_id }),
      ...(run.firstChunk !== null && { first_chunk_ms: run.firstChunk }),
      latency_ms: elapsed(),
    },
    deps,
  )
}

/** What a run knows so far. */
interface Run {
  readonly answer: ModelAnswer
  /** The step that was called last. */
  step: RouteStep | null
  firstChunk: number | null
}

async function collectAnswer(
  deps: RunDependencies,
  execution: BegunExecution,
  { stream, onEvents, check }: RunOptions,
  run: Run,
  signal: AbortSignal,
  elapsed: () => number,
): Promise<void> {
  const call = (step: RouteStep) =>
    deps.models.call(step, toModelRequest(execution, step), { stream, signal })
  const batches = callAlongRoute(execution.route, call, {
    policy: deps.retryPolicy ?? defaultRetryPolicy,
    clock: deps.clock,
    random: deps.random,
    signal,
    onAttempt: (step) => {
      run.step = step
    },
    onRetry: (_step, error) => report(deps, execution, 'model_call_repeated', error),
  })
  let length = 0
  for await (const events of batches) {
    run.firstChunk ??= elapsed()
    addToAnswer(run.answer, events)
    for (const event of events) if ('text' in event) length += event.text.length
    if (length > maxAnswerLength) {
      throw new ModelError('provider_malformed_response', { detail: 'the answer has no end' })
    }
    onEvents?.(events)
  }
  if (!run.answer.finish) throw new ModelError('provider_stream_truncated')
  check?.(run.answer)
}

function failedOutcome(answer: ModelAnswer, error: unknown): AnswerOutcome {
  if (error instanceof EndedElsewhere) {
    return error.status === 'cancelling' || error.status === 'cancelled'
      ? failureOutcome(answer, 'execution_cancelled', 'caller')
      : failureOutcome(answer, 'interrupted', 'platform')
  }
  if (error instanceof ModelError) return failureOutcome(answer, error.code, error.fault)
  return failureOutcome(answer, toAppError(error).code, 'platform')
}

function report(
  { log }: RunDependencies,
  { execution_id }: BegunExecution,
  event: string,
  error: unknown,
): void {
  const known = error instanceof ModelError
  log({
    level: known && error.fault === 'caller' ? 'info' : 'warn',
    event,
    execution_id,
    code: known ? error.code : toAppError(error).code,
    detail: known ? (error.detail ?? error.message) : describe(error),
  })
}
