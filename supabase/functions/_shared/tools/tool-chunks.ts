import type { ToolCallPart } from '../models/model-protocol.ts'
import type { Question } from './elicitation.ts'
import type { ToolErrorCode, ToolResult } from './tool-server.ts'
import type { ToolNotice } from './toolbox.ts'

/** A chunk of the AI SDK UI message stream (v1). */
export type Chunk = { readonly type: string } & Readonly<Record<string, unknown>>

/** A call begins; its arguments follow as the model writes them. */
export function inputStartChunk(toolCallId: string, toolName: string): Chunk {
  return { type: 'tool-input-start', toolCallId, toolName, dynamic: true }
}

export function inputDeltaChunk(toolCallId: string, inputTextDelta: string): Chunk {
  return { type: 'tool-input-delta', toolCallId, inputTextDelta }
}

const cutCall: ToolErrorCode = 'tool_call_cut'

/** The answer ended before the call was whole. */
export function inputErrorChunk(toolCallId: string, toolName: string, input: string): Chunk {
  const errorText = `${cutCall}: The answer ended before the call was whole. It was not made.`
  return { type: 'tool-input-error', toolCallId, toolName, input, dynamic: true, errorText }
}

/**
 * What the model asked for, whole. Tools are dynamic: the client does not know them beforehand.
 * @param source the server and its tool; absent for a name that stands for none
 */
export function inputChunk(
  { id, name, arguments: text }: Pick<ToolCallPart, 'id' | 'name' | 'arguments'>,
  source: { readonly server: string; readonly tool: string } | undefined,
): Chunk {
  return {
    type: 'tool-input-available',
    toolCallId: id,
    toolName: name,
    input: parse(text),
    dynamic: true,
    ...(source && { toolMetadata: { server: source.server, tool: source.tool } }),
  }
}

export function outputChunk(toolCallId: string, result: ToolResult): Chunk {
  const { content, structured_content, truncated } = result
  const output = {
    content,
    ...(structured_content !== undefined && { structured_content }),
    truncated,
  }
  return { type: 'tool-output-available', toolCallId, output, dynamic: true }
}

/** The code, a colon and the model's text, in the form of the stream's own errors. */
export function outputErrorChunk(toolCallId: string, code: ToolErrorCode, text: string): Chunk {
  return { type: 'tool-output-error', toolCallId, errorText: `${code}: ${text}`, dynamic: true }
}

export function deniedChunk(toolCallId: string): Chunk {
  return { type: 'tool-output-denied', toolCallId }
}

/** Asks the person; `POST /agents/executions/:id/approvals/:tool_call_id` answers. */
export function approvalChunk(toolCallId: string): Chunk {
  return { type: 'tool-approval-request', approvalId: toolCallId, toolCallId }
}

/** Questions of a call to the person, as clients show them. */
export interface ShownElicitation {
  /** The execution that the answer names; another one than that of the stream, after an approval. */
  readonly execution_id: string
  readonly tool_call_id: string
  readonly server: string
  readonly tool: string
  readonly round: number
  readonly questions: readonly Question[]
}

/** Asks the person; `POST /agents/executions/:id/answers/:tool_call_id` answers. */
export function elicitationChunk(data: ShownElicitation): Chunk {
  return { type: 'data-elicitation', id: data.tool_call_id, data }
}

/** Tools that are not there, and why. Not kept in the message. */
export function noticeChunk(notice: ToolNotice): Chunk {
  return { type: 'data-tool-notice', data: notice, transient: true }
}

export const nextStepChunks: readonly Chunk[] = [{ type: 'finish-step' }, { type: 'start-step' }]

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // The model wrote no JSON: the client sees what it wrote.
  }
}
