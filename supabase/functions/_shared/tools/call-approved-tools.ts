import type { ToolResultPart } from '../models/model-protocol.ts'
import { callTool } from './call-tool.ts'
import type { ToolCallDependencies, ToolCallExecution } from './call-tools.ts'
import { mapConcurrently } from './map-concurrently.ts'
import { readArguments } from './read-arguments.ts'
import { deniedChunk, inputChunk, outputErrorChunk } from './tool-chunks.ts'
import { concurrentCalls } from './tool-limits.ts'
import type { ToolDefinition, ToolErrorCode, ToolServerRow } from './tool-server.ts'
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
}

/** Makes the calls that a person has approved, and reports those that the person has not. */
export async function callApprovedTools(
  deps: ToolCallDependencies,
  { organization_id, execution_id }: Pick<ToolCallExecution, 'organization_id' | 'execution_id'>,
): Promise<readonly ToolResultPart[]> {
  const claimed = (await deps.admin.call('claim_tool_calls', {
    organization_id,
    execution_id,
  })) as readonly ClaimedCall[]
  // Sent again, because this stream is another message than the one with the calls.
  deps.emit(
    claimed.map((call) =>
      inputChunk({ id: call.tool_call_id, name: call.name, arguments: call.arguments }, call),
    ),
  )
  return mapConcurrently(claimed, concurrentCalls, async (call) => {
    const { tool_call_id, name, definition, status } = call
    const server = deps.toolbox.serverOf(call)
    const read = definition && readArguments(call.arguments, definition)
    if (status === 'running' && server && definition && read?.args) {
      const { execution_id: asked } = call
      const { args } = read
      return callTool(deps, {
        organization_id,
        execution_id: asked,
        tool_call_id,
        name,
        server,
        definition,
        args,
      })
    }
    const code = call.error_code ?? 'tool_not_available'
    const lost = status !== 'denied' && status !== 'expired'
    const text = lost ? unknownText : notMadeText(code)
    deps.emit([lost ? outputErrorChunk(tool_call_id, code, text) : deniedChunk(tool_call_id)])
    return { type: 'tool_result', tool_call_id, name, content: text, is_error: true }
  })
}
