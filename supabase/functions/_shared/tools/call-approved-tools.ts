import type { ToolResultPart } from '../models/model-protocol.ts'
import { callTool } from './call-tool.ts'
import type { MadeCalls, ToolCallDependencies, ToolCallExecution } from './call-tools.ts'
import { mapConcurrently } from './map-concurrently.ts'
import { readArguments } from './read-arguments.ts'
import type { ClaimedInput } from './open-reply.ts'
import { deniedChunk, inputChunk, outputChunk, outputErrorChunk } from './tool-chunks.ts'
import { concurrentCalls } from './tool-limits.ts'
import type { ToolDefinition, ToolErrorCode, ToolResult, ToolServerRow } from './tool-server.ts'
import { notMadeText, unknownText } from './tool-texts.ts'

/** What `claim_tool_calls` answers: each call with its decision, the approved ones to be made now. */
interface ClaimedCall extends ToolServerRow {
  /** The execution that asked for it. */
  readonly execution_id: string
  readonly tool_call_id: string
  readonly name: string
  readonly tool: string
  /** As they were approved. */
  readonly arguments: string
  readonly definition: ToolDefinition | null
  readonly status: 'running' | 'denied' | 'expired' | 'unknown' | 'success' | 'error' | 'pending'
  readonly error_code: ToolErrorCode | null
  /** Of a call that an earlier continuation made, as it is stored. */
  readonly result: ToolResult | null
  /** Of a call that asked the person. */
  readonly input: ClaimedInput | null
}

/**
 * Makes the calls that a person has approved or whose questions the person has answered, and reports the
 * others.
 */
export async function callApprovedTools(
  deps: ToolCallDependencies,
  { organization_id, execution_id, attempt }: Omit<ToolCallExecution, 'params'>,
): Promise<MadeCalls> {
  const claimed = (await deps.admin.call('claim_tool_calls', {
    organization_id,
    execution_id,
    attempt,
  })) as readonly ClaimedCall[]
  // Sent again, because this stream is another message than the one with the calls.
  deps.emit(
    claimed.map((call) =>
      inputChunk({ id: call.tool_call_id, name: call.name, arguments: call.arguments }, call),
    ),
  )
  const results = await mapConcurrently(claimed, concurrentCalls, async (call) => {
    const { tool_call_id, name, definition, status, input } = call
    if (call.result && status !== 'running') return report(deps, call, call.result)
    const server = deps.toolbox.serverOf(call)
    const read = definition && readArguments(call.arguments, definition)
    if (status === 'running' && server && definition && read?.args) {
      const { execution_id: asked } = call
      const { args } = read
      return callTool(deps, {
        organization_id,
        execution_id: asked,
        attempt,
        tool_call_id,
        name,
        server,
        serverName: call.server,
        definition,
        args,
        input,
      })
    }
    const code = call.error_code ?? 'tool_not_available'
    const lost = status !== 'denied' && status !== 'expired'
    const text = lost ? unknownText : notMadeText(code)
    deps.emit([lost ? outputErrorChunk(tool_call_id, code, text) : deniedChunk(tool_call_id)])
    return { type: 'tool_result', tool_call_id, name, content: text, is_error: true } as const
  })
  return {
    results: results.filter((result) => result !== null),
    waiting: results.includes(null) ? 'tool_input_required' : null,
  }
}

/** Reports a call that was made before another one asked the person. */
function report(
  { emit }: ToolCallDependencies,
  { tool_call_id, name, status, error_code }: ClaimedCall,
  result: ToolResult,
): ToolResultPart {
  const part = { type: 'tool_result', tool_call_id, name, content: result.text } as const
  if (status === 'success') {
    emit([outputChunk(tool_call_id, result)])
    return part
  }
  emit([outputErrorChunk(tool_call_id, error_code ?? status, result.text)])
  return { ...part, is_error: true }
}
