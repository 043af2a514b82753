import { type Admin, untilStored } from '../database.ts'
import { toAppError } from '../errors.ts'
import { errorStack, type Log } from '../log/log.ts'
import type { ToolResultPart } from '../models/model-protocol.ts'
import type { Clock } from '../time.ts'
import type { Keyset } from '../crypto/keyset.ts'
import { filesOf, type MediaBudget, withinBudget, withoutMedia } from './result-media.ts'
import { type ClaimedInput, openReply } from './open-reply.ts'
import { suspendCall } from './suspend-call.ts'
import { type Chunk, outputChunk, outputErrorChunk } from './tool-chunks.ts'
import { unknown } from './tool-result.ts'
import type { ToolDefinition, ToolOutcome, ToolServer } from './tool-server.ts'

export interface CallToolDependencies {
  /** Writes outcomes, which callers must not do for themselves. */
  readonly admin: Admin
  readonly log: Log
  readonly clock: Clock
  readonly random: () => number
  /** Receives the chunks for the client, as they happen. */
  readonly emit: (chunks: readonly Chunk[]) => void
  /** Stops a call under way: its outcome is then unknown. */
  readonly signal: AbortSignal
  /** Of the execution. */
  readonly media: MediaBudget
  /** Seals what a call keeps while it waits for the person; without it no call waits. */
  readonly keyset?: Keyset | undefined
}

/** A call that the database has marked as running: this worker makes it once, now. */
export interface RunningCall {
  readonly organization_id: number
  /** The execution that asked for it. */
  readonly execution_id: string
  /** Of the worker that makes it. */
  readonly attempt: number
  readonly tool_call_id: string
  readonly name: string
  readonly server: ToolServer
  /** The server's name, which the person sees beside its questions. */
  readonly serverName: string
  readonly definition: ToolDefinition
  readonly args: Readonly<Record<string, unknown>>
  /** Parameters of the execution, for the one that continues after an answer of the person. */
  readonly params?: Readonly<Record<string, unknown>>
  /** What the server asked before, and what the person answered. */
  readonly input?: ClaimedInput | null
}

/**
 * Makes a call, stores how it ended, tells the client, and returns what the model reads; null when the
 * call waits, because its server asks the person first.
 */
export async function callTool(
  deps: CallToolDependencies,
  call: RunningCall,
): Promise<ToolResultPart | null> {
  const outcome = await suspendCall(deps, call, await outcomeOf(deps, call))
  if (outcome === null) return null
  await store(deps, call, { ...outcome, result: withoutMedia(outcome.result) })
  const { status, error_code } = outcome
  const result = withinBudget(outcome.result, deps.media)
  const { tool_call_id, name } = call
  if (status === 'success') {
    deps.emit([outputChunk(tool_call_id, result)])
    const files = filesOf(result)
    const read = { type: 'tool_result', tool_call_id, name, content: result.text } as const
    return files.length > 0 ? { ...read, files } : read
  }
  deps.emit([outputErrorChunk(tool_call_id, error_code ?? status, result.text)])
  return { type: 'tool_result', tool_call_id, name, content: result.text, is_error: true }
}

/** A tool server always answers with an outcome. One that throws may have made the call. */
async function outcomeOf(deps: CallToolDependencies, call: RunningCall): Promise<ToolOutcome> {
  const { log, signal } = deps
  const { server, definition, args, execution_id } = call
  const { reply, refusal } = await openReply(deps, call)
  if (refusal) return refusal
  try {
    return await server.call(definition, args, signal, reply)
  } catch (error) {
    log({ level: 'error', event: 'tool_call_threw', execution_id, detail: errorStack(error) })
    return unknown('tool_answer_lost')
  }
}

/** In the end unstored: the call counts as unknown. */
async function store(
  deps: CallToolDependencies,
  { organization_id, execution_id, attempt, tool_call_id }: RunningCall,
  outcome: ToolOutcome,
): Promise<void> {
  const ended = { organization_id, execution_id, tool_call_id, outcome, attempt }
  try {
    await untilStored(() => deps.admin.call('finish_tool_call', ended), deps)
  } catch (error) {
    const { code } = toAppError(error)
    deps.log({ level: 'error', event: 'tool_outcome_not_stored', execution_id, code })
  }
}
