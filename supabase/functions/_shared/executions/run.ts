import type { Admin } from '../database.ts'
import { toAppError } from '../errors.ts'
import { describe, type LogEntry } from '../http/log.ts'
import type { Clock } from '../models/clock.ts'
import { addToAnswer, emptyAnswer, type ModelAnswer } from '../models/model-answer.ts'
import { ModelError } from '../models/model-error.ts'
import type { ModelEvent } from '../models/types.ts'
import { AnswerRecorder } from './answer-recorder.ts'
import { EventLog } from './event-log.ts'
import { finishExecution } from './finish.ts'
import { toModelRequest, type Models } from './models.ts'
import { failureOutcome, successOutcome, type AnswerOutcome } from './outcome.ts'
import { callAlongRoute, defaultRetryPolicy, type RetryPolicy } from './route.ts'
import { StorableEvents } from './storable-events.ts'
import type { BegunExecution, FinishedExecution, RouteStep } from './types.ts'
import { endText } from './ui-message-end.ts'

export interface RunDependencies {
  /** Stores events, ends and leases of executions, which callers must not do for themselves. */
  readonly admin: Admin
  readonly models: Models
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
  readonly log: (entry: LogEntry) => void
  readonly retryPolicy?: RetryPolicy
  /** Aborts when the platform is about to end this worker: what runs then ends as interrupted. */
  readonly shutdown?: AbortSignal
}

export interface RunOptions {
  readonly stream: boolean
  /** Receives the UI message stream as it is written, its end included; it must not throw. */
  readonly write?: (text: string) => void
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
 * Runs a begun execution to its one end: calls the model along the route, records what it says,
 * stores the outcome, whatever it is, and returns it as stored.
 * @throws AppError only when the outcome could not be stored
 */
export async function runExecution(
  deps: RunDependencies,
  execution: BegunExecution,
  options: RunOptions,
): Promise<FinishedExecution> {
  const { clock } = deps
  const { write } = options
  const provider = new AbortController()
  const shutDown = () => provider.abort(new EndedElsewhere('shutdown'))
  deps.shutdown?.addEventListener('abort', shutDown, { once: true })
  const log = new EventLog(deps.admin, execution, {
    clock,
    onEnded: (status) => provider.abort(new EndedElsewhere(status)),
    onError: (error) => report(deps, execution, 'events_not_stored', error),
  })
  const began = clock.now()
  const run: Run = {
    execution,
    answer: emptyAnswer(),
    recorder: new AnswerRecorder({ clock, log, ...(write && { write }) }),
    signal: provider.signal,
    elapsed: () => Math.round(clock.now() - began),
    step: null,
    firstChunk: null,
    failedModels: [],
  }
  run.recorder.start(execution)
  const outcome = await answer(deps, run, options)
  deps.shutdown?.removeEventListener('abort', shutDown)
  run.recorder.end()
  const end = { ...outcome, ...whatIsKnownOf(run), ...(await log.stop()) }
  const stored = await finishExecution(deps.admin, execution, end, deps)
  write?.(endText(execution.execution_id, run.recorder.position, stored))
  return stored
}

/** What a run knows so far. */
interface Run {
  readonly execution: BegunExecution
  readonly answer: ModelAnswer
  readonly recorder: AnswerRecorder
  readonly signal: AbortSignal
  readonly elapsed: () => number
  /** The step that was called last. */
  step: RouteStep | null
  firstChunk: number | null
  readonly failedModels: RouteStep['model_id'][]
}

function whatIsKnownOf({ step, firstChunk, failedModels, elapsed }: Run) {
  return {
    ...(step && { model_id: step.model_id }),
    ...(firstChunk !== null && { first_chunk_ms: firstChunk }),
    ...(failedModels.length > 0 && { failed_models: failedModels }),
    latency_ms: elapsed(),
  }
}

async function answer(
  deps: RunDependencies,
  run: Run,
  options: RunOptions,
): Promise<AnswerOutcome> {
  try {
    await collectAnswer(deps, run, options)
    return successOutcome(run.answer)
  } catch (error) {
    report(deps, run.execution, 'execution_failed', error)
    return failedOutcome(run.answer, error)
  }
}

async function collectAnswer(
  deps: RunDependencies,
  run: Run,
  { stream, onEvents, check }: RunOptions,
): Promise<void> {
  const storable = new StorableEvents()
  let length = 0
  for await (const batch of callModels(deps, run, stream)) {
    run.firstChunk ??= run.elapsed()
    const events = storable.take(batch)
    addToAnswer(run.answer, events)
    for (const event of events) if ('text' in event) length += event.text.length
    if (length > maxAnswerLength) {
      throw new ModelError('provider_malformed_response', { detail: 'the answer has no end' })
    }
    run.recorder.add(events)
    onEvents?.(events)
  }
  if (!run.answer.finish) throw new ModelError('provider_stream_truncated')
  check?.(run.answer)
}

function callModels(deps: RunDependencies, run: Run, stream: boolean) {
  const { execution, signal } = run
  const { organization_id, execution_id } = execution
  const options = { stream, signal, organizationId: organization_id }
  return callAlongRoute(
    execution.route,
    (step) => deps.models.call(step, toModelRequest(execution, step), options),
    {
      policy: deps.retryPolicy ?? defaultRetryPolicy,
      clock: deps.clock,
      random: deps.random,
      signal,
      acquireProbe: async ({ model_id }) =>
        (await deps.admin.call('acquire_probe', {
          organization_id,
          execution_id,
          model_id: Number(model_id),
        })) === true,
      onAttempt: (step) => {
        run.step = step
      },
      onRetry: (step, error) => {
        if (error.fault === 'provider') run.failedModels.push(step.model_id)
        report(deps, execution, 'model_call_repeated', error)
      },
    },
  )
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
