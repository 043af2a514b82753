import { addToAnswer } from '../models/model-answer.ts'
import { ModelError } from '../models/model-error.ts'
import type { ModelEvent, TakeEvents } from '../models/model-protocol.ts'
import { hasFiles, withoutToolFiles } from '../tools/tool-messages.ts'
import type { BegunExecution, RouteStep } from './execution.ts'
import { JsonFence } from './json-fence.ts'
import { type CallOptions, type Progress, toModelRequest } from './models.ts'
import type { StepUsage } from './outcome.ts'
import { callAlongRoute, defaultRetryPolicy } from './route.ts'
import { report, type Run, type RunDependencies, type RunOptions } from './run-state.ts'
import { StorableEvents } from './storable-events.ts'
import { trimChunk } from './stream/ui-message-chunks.ts'
import { trimFurther, trimToWindow, withoutOldest } from './trim-history.ts'

/** A provider that sends more characters of output counts as broken. */
export const maxAnswerLength = 4 * 1024 * 1024

/**
 * Calls the model once, along the route, and adds its output to the answer.
 * @param prepare changes events before anything else sees them
 */
export async function callModel(
  deps: RunDependencies,
  run: Run,
  { stream, onEvents }: RunOptions,
  progress: Progress & { readonly length: number },
  prepare: (events: readonly ModelEvent[]) => readonly ModelEvent[],
): Promise<void> {
  const { answer } = run
  const call: StepUsage = { usage: null, length: progress.length }
  const storable = new StorableEvents()
  const fence = run.execution.asked?.responseFormat ? new JsonFence() : null
  run.lastText = answer.content.length
  answer.finish = null
  answer.usage = null
  const take = (batch: readonly ModelEvent[]) => {
    // What never answered used nothing.
    if (run.calls.at(-1) !== call) run.calls.push(call)
    run.firstChunk ??= run.elapsed()
    const said = storable.take(batch)
    const events = prepare(fence ? fence.take(said) : said)
    addToAnswer(answer, events)
    call.usage = answer.usage
    for (const event of events) if ('text' in event) run.length += event.text.length
    if (run.length > maxAnswerLength) {
      throw new ModelError('provider_malformed_response', { detail: 'the answer has no end' })
    }
    run.recorder.add(events)
    onEvents?.(events)
  }
  // A failed answer is charged like another, as far as the provider says what it used.
  const charge = ({ usage }: ModelError) => {
    if (usage && run.calls.at(-1) !== call) run.calls.push({ usage, length: progress.length })
    else if (usage) call.usage = usage
  }
  for (let done = false; !done;) {
    try {
      await alongRoute(deps, run, progress, stream, take, charge)
      done = true
    } catch (error) {
      const begun = run.calls.at(-1) === call
      if (error instanceof ModelError) charge(error)
      if (begun || !mayTrim(deps, run, error)) throw error
    }
  }
  if (!answer.finish) throw new ModelError('provider_stream_truncated')
}

/**
 * Leaves the oldest turns out of a stored conversation that a provider found too long. Each time half
 * of it stays, so that the calls are few. What a client sends itself is not shortened.
 */
function mayTrim(deps: RunDependencies, run: Run, error: unknown): boolean {
  const isTooLong = error instanceof ModelError && error.code === 'context_length_exceeded'
  if (!isTooLong || run.execution.asked?.messages) return false
  const trimmed = trimFurther(run.execution.history, run.leftOut)
  if (trimmed === null) return false
  run.trimmed = trimmed
  report(deps, run.execution, 'context_trimmed', error)
  return true
}

/** The execution as a model gets it: without the oldest turns where it cannot hold them. */
function fitted(run: Run, { context_tokens: window }: RouteStep): BegunExecution {
  const { execution, recorder, trimmed } = run
  if (execution.asked?.messages) return execution
  const surely = window === undefined ? 0 : trimToWindow(execution.history, window)
  const leftOut = Math.max(trimmed, surely)
  if (leftOut !== run.leftOut) recorder.put([trimChunk(leftOut)])
  run.leftOut = leftOut
  return withoutOldest(execution, leftOut)
}

function alongRoute(
  deps: RunDependencies,
  run: Run,
  progress: Progress,
  stream: boolean,
  take: TakeEvents,
  charge: (error: ModelError) => void,
): Promise<void> {
  const { execution, signal } = run
  const { organization_id, execution_id, attempt } = execution
  const options = { stream, signal, organizationId: organization_id }
  return callAlongRoute(
    routeOf(run),
    (step, taken) => callStep(deps, run, step, progress, taken, options),
    take,
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
          attempt,
        })) === true,
      onAttempt: (step) => {
        run.step = step
      },
      onRetry: (step, error) => {
        charge(error)
        if (error.fault === 'provider') run.failedModels.push(step.model_id)
        report(deps, execution, 'model_call_repeated', error)
      },
    },
  )
}

/**
 * Calls one model. A model that refuses a request with images or files that tools showed is called once
 * more without them: no list says which models see.
 */
async function callStep(
  { models }: RunDependencies,
  run: Run,
  step: RouteStep,
  progress: Progress,
  take: TakeEvents,
  options: CallOptions,
): Promise<void> {
  const { blindModels } = run
  const request = toModelRequest(fitted(run, step), step, progress)
  const blind = { ...request, messages: withoutToolFiles(request.messages) }
  const isShown = request.messages.some(({ parts }) => parts?.some(hasFiles))
  if (!isShown || blindModels.has(step.model_id)) return models.call(step, blind, take, options)
  try {
    await models.call(step, request, take, options)
  } catch (error) {
    if (!(error instanceof ModelError) || !refusals.has(error.code)) throw error
    blindModels.add(step.model_id)
    await models.call(step, blind, take, options)
  }
}

/** How providers answer a request that the model cannot read; all come before the first event. */
const refusals = new Set(['provider_rejected_request', 'provider_model_not_found'])

/** The model of the earlier answers continues, and keeps its probe. */
function routeOf({ execution, step, calls }: Run): readonly RouteStep[] {
  const { route } = execution
  if (!step || calls.length === 0) return route
  const others = route.filter(({ model_id }) => model_id !== step.model_id)
  return [{ ...step, probe: false }, ...others]
}
