import type { ToolCallPart } from '../models/model-protocol.ts'
import { callApprovedTools } from '../tools/call-approved-tools.ts'
import { callTools, type ToolCallDependencies } from '../tools/call-tools.ts'
import { ToolCallIds } from '../tools/tool-call-ids.ts'
import { inputChunk, nextStepChunks, noticeChunk } from '../tools/tool-chunks.ts'
import { defaultSteps, maxExecutionMedia, maxSteps } from '../tools/tool-limits.ts'
import { withoutToolFiles } from '../tools/tool-messages.ts'
import { openToolbox, type Toolbox } from '../tools/toolbox.ts'
import { keepFormat } from './answer-format.ts'
import { callModel } from './call-model.ts'
import type { BegunExecution } from './execution.ts'
import { partsOf, toModelRequest } from './models.ts'
import { requestBytes } from './request-bytes.ts'
import { EndedElsewhere, type Run, type RunDependencies, type RunOptions } from './run-state.ts'

const withoutTools = { parts: [], tools: [], instructions: [], length: 0 }

/**
 * Collects the answer of an execution. It calls the model, makes the tool calls that the model asks
 * for, and calls the model again with their results. It ends when the model asks for no more calls,
 * a person must approve a call, or the limit of steps is reached.
 * @throws ModelError, EndedElsewhere, AppError
 */
export async function collectAnswer(
  deps: RunDependencies,
  run: Run,
  options: RunOptions,
): Promise<void> {
  const toolbox = await gatherTools(deps, run)
  try {
    if (toolbox) await collectWithTools(deps, run, options, toolbox)
    else {
      await callModel(deps, run, options, withoutTools, (events) => events)
      // Calls of the client's own tools, which the client makes.
      const calls = run.answer.parts.filter(isToolCall)
      run.recorder.put(calls.map((call) => inputChunk(call, undefined)))
    }
  } finally {
    await toolbox?.close()
  }
}

async function gatherTools(deps: RunDependencies, run: Run): Promise<Toolbox | null> {
  const { execution, recorder, signal } = run
  const { admin, openToolServer, log } = deps
  const wanted = execution.tools.length > 0 || execution.continues !== undefined
  if (!wanted || !openToolServer || execution.asked?.tools) return null
  const toolbox = await openToolbox({ admin, openToolServer, log }, execution, signal)
  recorder.put(toolbox.notices.map(noticeChunk))
  return toolbox
}

async function collectWithTools(
  deps: RunDependencies,
  run: Run,
  options: RunOptions,
  toolbox: Toolbox,
): Promise<void> {
  const { execution, answer, recorder, signal } = run
  const ids = new ToolCallIds()
  const calling: ToolCallDependencies = {
    admin: deps.admin,
    toolbox,
    log: deps.log,
    clock: deps.clock,
    random: deps.random,
    emit: (chunks) => recorder.put(chunks),
    signal,
    media: { left: maxExecutionMedia },
    keyset: deps.keyset,
  }
  if (execution.continues !== undefined) {
    const { results, waiting } = await callApprovedTools(calling, execution)
    signal.throwIfAborted()
    // Another execution continues from the same answer: no message stands between them, and it reports
    // these results again.
    run.finishReason = waiting
    if (waiting !== null) return
    answer.parts.push(...results)
  }
  const limit = stepLimit(execution)
  // The execution that continues after an approval needs the format.
  const continuable = { ...execution, params: keepFormat(execution) }
  for (let step = 1; ; step += 1) {
    const { tools, instructions } = toolbox
    const progress = { parts: [...answer.parts], tools, instructions }
    const length = await reserve(deps, run, toolbox, step, progress)
    await callModel(deps, run, options, { ...progress, length }, (events) => ids.take(events))
    const calls = answer.parts.slice(progress.parts.length).filter(isToolCall)
    if (calls.length === 0) return
    const refusal = step === limit ? 'step_limit' : undefined
    const { results, waiting, ended } = await callTools(calling, continuable, step, calls, refusal)
    if (ended !== undefined) throw new EndedElsewhere(ended)
    answer.parts.push(...results)
    signal.throwIfAborted()
    run.finishReason = waiting ?? refusal ?? null
    if (run.finishReason !== null) return
    recorder.put(nextStepChunks)
  }
}

/**
 * Adds to the reservation the part that begin_execution() could not count: in the first step the
 * excess, in a later step the whole request, which is sent again.
 * @returns characters of the request
 * @throws AppError `budget_exceeded`
 */
async function reserve(
  { admin }: RunDependencies,
  { execution }: Run,
  { tools }: Toolbox,
  step: number,
  progress: Parameters<typeof toModelRequest>[2],
): Promise<number> {
  const [first] = execution.route
  if (!first) return 0
  const { responseFormat, systemPrompts, messages } = toModelRequest(execution, first, progress)
  const bytes = requestBytes(messages, responseFormat ?? null, systemPrompts, tools)
  const input_bytes = step > 1 ? bytes : bytes - begunBytes(execution)
  if (input_bytes > 0) {
    const { organization_id, execution_id, attempt } = execution
    await admin.call('reserve_execution_step', {
      organization_id,
      execution_id,
      input_bytes,
      output_tokens: step > 1 ? longestOutput(execution) : 0,
      attempt,
    })
  }
  const texts = withoutToolFiles(messages)
  return JSON.stringify([responseFormat ?? null, systemPrompts, texts, tools]).length
}

/** The bound of an answer, as begin_execution() counts it: any model of the route may answer. */
function longestOutput({ route, params }: BegunExecution): number {
  const bounds = route.map((step) => ({ ...step.params, ...params })['max_output_tokens'] ?? 4096)
  return Math.max(...bounds.map(Number))
}

/**
 * The least amount that begin_execution() reserved: it counts the same JSON with blanks, and of the
 * history and the client's own messages what is longer.
 */
function begunBytes(execution: BegunExecution): number {
  const { asked, system_prompts, history, tools } = execution
  const said = history.map((message) => ({
    role: message.role,
    content: message.content,
    parts: partsOf(execution, message),
  }))
  const bytes = [said, asked?.messages ?? []].map((messages) =>
    requestBytes(messages, asked?.responseFormat ?? null, system_prompts, tools),
  )
  return Math.max(...bytes)
}

function stepLimit({ route }: BegunExecution): number {
  const wanted = route[0]?.config['max_steps']
  return typeof wanted === 'number' && wanted >= 1
    ? Math.min(Math.floor(wanted), maxSteps)
    : defaultSteps
}

function isToolCall(part: { readonly type: string }): part is ToolCallPart {
  return part.type === 'tool_call'
}
