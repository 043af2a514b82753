import type { ToolCallPart, ToolResultPart } from '../models/model-protocol.ts'
import { callTool, type CallToolDependencies } from './call-tool.ts'
import { mapConcurrently } from './map-concurrently.ts'
import { readArguments } from './read-arguments.ts'
import { approvalChunk, deniedChunk, inputChunk, outputErrorChunk } from './tool-chunks.ts'
import { concurrentCalls, maxArgumentsLength, maxCallsPerStep } from './tool-limits.ts'
import { resultOf } from './tool-messages.ts'
import type { ToolErrorCode } from './tool-server.ts'
import { notMadeText } from './tool-texts.ts'
import type { KnownTool, Toolbox } from './toolbox.ts'

export interface ToolCallDependencies extends CallToolDependencies {
  readonly toolbox: Pick<Toolbox, 'find' | 'serverOf'>
}

export interface ToolCallExecution {
  readonly organization_id: number
  readonly execution_id: string
  /** Of the worker that makes the calls. */
  readonly attempt: number
  /** Stored for the execution that continues after an approval. */
  readonly params: Readonly<Record<string, unknown>>
}

/** A call waits for an approval, or its server asks the person something. */
export type Waiting = 'tool_approval_required' | 'tool_input_required'

export interface MadeCalls {
  /** In the order of the calls; those that wait have none. */
  readonly results: readonly ToolResultPart[]
  /** What the person has to do before the answer continues; null: nothing. */
  readonly waiting: Waiting | null
  /** Nothing was called: the execution has this status by now. */
  readonly ended?: string
}

/** What `begin_tool_calls` answers. */
interface BegunCalls {
  readonly status: string
  readonly calls: readonly {
    readonly status: 'running' | 'pending' | 'denied' | 'error'
    readonly error_code: ToolErrorCode | null
  }[]
}

/**
 * Makes the calls of a model in one step: stores all of them, makes the allowed ones, and stores
 * the end of each. The database decides which calls must not be made, and why.
 * @param refusal a reason to make none of them
 */
export async function callTools(
  deps: ToolCallDependencies,
  { organization_id, execution_id, attempt, params }: ToolCallExecution,
  step: number,
  calls: readonly ToolCallPart[],
  refusal?: ToolErrorCode,
): Promise<MadeCalls> {
  const wanted = calls.map((call, place) => prepare(deps.toolbox, call, place, refusal))
  deps.emit(wanted.map(({ call, tool }) => inputChunk(call, tool)))
  const begun = (await deps.admin.call('begin_tool_calls', {
    organization_id,
    execution_id,
    step,
    calls: wanted.map(toIntent),
    params,
    attempt,
  })) as BegunCalls
  if (begun.status !== 'running') return { results: [], waiting: null, ended: begun.status }

  const results = await mapConcurrently(wanted, concurrentCalls, async (one, place) => {
    const verdict = begun.calls[place]
    if (verdict?.status === 'pending') return null
    const server = one.tool && deps.toolbox.serverOf(one.tool)
    if (verdict?.status !== 'running' || !server || !one.tool || !one.args) {
      return refuse(deps, one, verdict?.status === 'denied', verdict?.error_code ?? undefined)
    }
    const { id: tool_call_id, name } = one.call
    const { definition, server: serverName } = one.tool
    const { args } = one
    const call = { organization_id, execution_id, attempt, tool_call_id, name, server, serverName }
    return callTool(deps, { ...call, definition, args, params })
  })
  const unapproved = wanted.filter((_, place) => begun.calls[place]?.status === 'pending')
  // Last, when everything else of the step is known.
  if (unapproved.length > 0) deps.emit(unapproved.map(({ call }) => approvalChunk(call.id)))
  const asking = results.includes(null) ? 'tool_input_required' : null
  return {
    results: results.filter((result) => result !== null),
    waiting: unapproved.length > 0 ? 'tool_approval_required' : asking,
  }
}

/** A call with its server and tool, or the reason why it is not made. */
interface Wanted {
  readonly call: ToolCallPart
  readonly tool?: KnownTool
  readonly args?: Readonly<Record<string, unknown>>
  readonly refusal?: ToolErrorCode
  /** What the model should do better. */
  readonly problem?: string
}

function prepare(
  { find }: Pick<Toolbox, 'find'>,
  call: ToolCallPart,
  place: number,
  refusal?: ToolErrorCode,
): Wanted {
  const tool = find(call.name)
  if (!tool) return { call, refusal: refusal ?? 'tool_not_found' }
  if (refusal !== undefined) return { call, tool, refusal }
  if (place >= maxCallsPerStep) return { call, tool, refusal: 'too_many_tool_calls' }
  const { args, problem } = readArguments(call.arguments, tool.definition)
  if (args) return { call, tool, args }
  return { call, tool, refusal: 'tool_arguments_invalid', problem }
}

function toIntent({ call, tool, refusal }: Wanted) {
  const { id, name, arguments: text } = call
  return {
    tool_call_id: id,
    name,
    // A call that is too long is not made, and is stored only in part.
    arguments: text.length > maxArgumentsLength ? text.slice(0, 1_000) : text,
    ...(refusal !== undefined && { refusal }),
    ...(tool && {
      mcp_configuration_id: tool.mcp_configuration_id,
      server: tool.server,
      endpoint: tool.endpoint,
      tool: tool.tool,
      definition_hash: tool.definition_hash,
    }),
  }
}

function refuse(
  { emit }: ToolCallDependencies,
  { call, problem }: Wanted,
  denied: boolean,
  code: ToolErrorCode = 'tool_not_available',
): ToolResultPart {
  const text = problem ?? notMadeText(code)
  emit([denied ? deniedChunk(call.id) : outputErrorChunk(call.id, code, text)])
  return resultOf(call, text)
}
