import type { Admin } from '../database.ts'
import { toAppError } from '../errors.ts'
import { isStoredFile, readHistoryFiles } from '../files/history-files.ts'
import { emptyAnswer, type ModelAnswer } from '../models/model-answer.ts'
import { ModelError } from '../models/model-error.ts'
import { collectAnswer } from './collect-answer.ts'
import type { BegunExecution, FinishedExecution } from './execution.ts'
import { finishExecution } from './finish.ts'
import {
  type AnswerOutcome,
  failureOutcome,
  isCancellation,
  successOutcome,
  totalUsage,
  usageOutcome,
} from './outcome.ts'
import {
  EndedElsewhere,
  report,
  type Run,
  type RunDependencies,
  type RunOptions,
  timeForWholeAnswer,
} from './run-state.ts'
import { AnswerRecorder } from './stream/answer-recorder.ts'
import { EventLog } from './stream/event-log.ts'
import { personChunk } from './stream/ui-message-chunks.ts'
import { endText } from './stream/ui-message-stream.ts'

export { maxAnswerLength } from './call-model.ts'
export type { RunDependencies, RunOptions } from './run-state.ts'

/**
 * Runs a begun execution to its one end: collects the answer, records it as it arrives, stores the
 * outcome of any kind, and returns the stored end.
 * @throws AppError only when the outcome could not be stored
 */
export async function runExecution(
  deps: RunDependencies,
  execution: BegunExecution,
  options: RunOptions,
): Promise<FinishedExecution> {
  const { clock } = deps
  const { stream: live, write } = options
  const provider = new AbortController()
  const shutDown = () => provider.abort(new EndedElsewhere('shutdown'))
  deps.shutdown?.addEventListener('abort', shutDown, { once: true })
  // A worker may end while this execution waits for its turn.
  if (deps.shutdown?.aborted === true) shutDown()
  const tooLate = () => provider.abort(new EndedElsewhere('late'))
  const log = new EventLog(deps.admin, execution, {
    clock,
    onEnded: (status) => provider.abort(new EndedElsewhere(status)),
    onError: (error) => report(deps, execution, 'events_not_stored', error),
  })
  const began = clock.now()
  const { since = began } = options
  const timer = live ? null : clock.setTimeout(tooLate, since + timeForWholeAnswer - began)
  const run: Run = {
    execution,
    answer: emptyAnswer(),
    recorder: new AnswerRecorder({ clock, log, live, ...(write && { write }) }),
    signal: provider.signal,
    elapsed: () => Math.round(clock.now() - began),
    step: null,
    calls: [],
    length: 0,
    lastText: 0,
    firstChunk: null,
    trimmed: 0,
    leftOut: 0,
    finishReason: null,
    failedModels: [],
    blindModels: new Set(),
  }
  run.recorder.start(execution)
  const outcome = await answer(deps, run, options)
  run.recorder.end()
  deps.shutdown?.removeEventListener('abort', shutDown)
  if (timer !== null) clock.clearTimeout(timer)
  const end = { ...outcome, ...whatIsKnownOf(run), ...(await log.stop()) }
  const stored = await finishExecution(deps.admin, execution, end, deps)
  write?.(endText(execution.execution_id, run.recorder.position, stored))
  return stored
}

function whatIsKnownOf({ step, firstChunk, failedModels, leftOut, elapsed }: Run) {
  return {
    ...(step && { model_id: step.model_id }),
    ...(firstChunk !== null && { first_chunk_ms: firstChunk }),
    ...(leftOut > 0 && { trimmed_messages: leftOut }),
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
    run.execution = await withNote(deps.admin, run.execution)
    await collectAnswer(deps, await withFiles(deps, run), options)
    const { answer: said, finishReason, lastText } = run
    if (finishReason === null) options.check?.({ ...said, content: said.content.slice(lastText) })
    const outcome = { ...successOutcome(said), ...whatWasUsed(run) }
    return finishReason === null ? outcome : { ...outcome, finish_reason: finishReason }
  } catch (error) {
    report(deps, run.execution, 'execution_failed', error)
    if (error instanceof EndedElsewhere && error.code === 'person_answers') {
      run.recorder.put([personChunk()])
    }
    return { ...failedOutcome(run.answer, error), ...whatWasUsed(run) }
  }
}

/** The run, whose conversation has its files. */
async function withFiles({ db }: RunDependencies, run: Run): Promise<Run> {
  const { execution } = run
  const { history, message_id, files = new Map() } = execution
  if (db === undefined || !history.some(({ parts }) => parts?.some(isStoredFile))) return run
  const shown = await readHistoryFiles(db, history, files, message_id)
  return Object.assign(run, { execution: { ...execution, shown } })
}

/** The execution with the note of the person who handed the session back, the last of its prompts. */
async function withNote(admin: Admin, execution: BegunExecution): Promise<BegunExecution> {
  if (execution.has_note !== true) return execution
  const { organization_id, execution_id } = execution
  const note = await admin.call('read_hand_back_note', { organization_id, execution_id })
  if (note === null) return execution
  const prompt = `The person who handed this conversation back to you says: ${String(note)}`
  return { ...execution, system_prompts: [...execution.system_prompts, prompt] }
}

function whatWasUsed({ calls, finishReason }: Run) {
  // Nothing is estimated for an execution that ended before it called a model.
  if (calls.length === 0 && finishReason === 'tool_input_required') {
    return { input_tokens: 0, output_tokens: 0, total_tokens: 0 }
  }
  const { usage, estimatedInputTokens: estimate } = totalUsage(calls)
  return {
    ...usageOutcome(usage),
    ...(estimate !== undefined && { estimated_input_tokens: estimate }),
  }
}

function failedOutcome(answer: ModelAnswer, error: unknown): AnswerOutcome {
  if (error instanceof EndedElsewhere) {
    const fault = isCancellation(error.code) ? 'caller' : 'platform'
    return failureOutcome(answer, error.code, fault)
  }
  if (error instanceof ModelError) return failureOutcome(answer, error.code, error.fault)
  return failureOutcome(answer, toAppError(error).code, 'platform')
}
