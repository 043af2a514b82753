import type { DynamicToolUIPart, UIMessage } from 'ai'
import type { Elicitation, ElicitationRow } from './elicitation.ts'
import { toUploadedPart } from './files.ts'

type UiPart = UIMessage['parts'][number]

/** A row of `conversation.tool_calls`. */
export interface ToolCallRow {
  readonly execution_id: string
  readonly tool_call_id: string
  readonly server: string | null
  readonly tool: string | null
  readonly status: string
  readonly error_code: string | null
  readonly result: { readonly text?: string } | null
  /** What the call asked the person last. */
  readonly tool_elicitations?: ElicitationRow | null
}

/** A stored part, with the fields of all types. */
interface StoredPart {
  readonly type: string
  readonly text?: string
  readonly url?: string
  readonly path?: string
  readonly media_type?: string
  readonly filename?: string
  readonly title?: string
  readonly id?: string
  readonly name?: string
  readonly arguments?: string
}

/** Stored parts as parts of a UI message; a result stands with its call, as in the stream. */
export function toUiParts(
  parts: readonly unknown[],
  callOf: (id: string) => ToolCallRow | undefined,
  addresses: ReadonlyMap<string, string> = new Map(),
): UiPart[] {
  let sources = 0
  return (parts as readonly StoredPart[]).flatMap((part): UiPart[] => {
    const { text = '', url = '', media_type: mediaType = '', filename, title } = part
    switch (part.type) {
      case 'text':
      case 'refusal':
        return [{ type: 'text', text, state: 'done' }]
      case 'reasoning':
        return [{ type: 'reasoning', text, state: 'done' }]
      case 'image':
      case 'file':
        if (part.path !== undefined) {
          const shown = addresses.get(part.path) ?? ''
          return [toUploadedPart(part.path, shown, mediaType, filename ?? '')]
        }
        return [{ type: 'file', url, mediaType, ...(filename !== undefined && { filename }) }]
      case 'source': {
        sources += 1
        const source = { type: 'source-url' as const, sourceId: `source-${sources}`, url }
        return [title === undefined ? source : { ...source, title }]
      }
      case 'tool_call':
        return toToolParts(part, callOf(part.id ?? ''))
      default:
        return []
    }
  })
}

/** A call, and what it asks while it waits. */
function toToolParts(part: StoredPart, call: ToolCallRow | undefined): UiPart[] {
  const asked = call?.tool_elicitations
  if (!call || !asked || (call.status !== 'pending' && call.status !== 'approved')) {
    return [toToolPart(part, call)]
  }
  const running = toToolPart(part, { ...call, status: 'running' })
  // The answer was given, and an execution is about to bring it to the server.
  if (call.status === 'approved') return [running]
  const { execution_id, tool_call_id, server, tool } = call
  const data: Elicitation = {
    ...{ execution_id, tool_call_id, server: server ?? '', tool: tool ?? '' },
    ...{ round: asked.round, questions: asked.questions },
  }
  return [running, { type: 'data-elicitation', id: tool_call_id, data }]
}

function toToolPart(part: StoredPart, call: ToolCallRow | undefined): DynamicToolUIPart {
  const known = {
    type: 'dynamic-tool' as const,
    toolName: part.name ?? '',
    toolCallId: part.id ?? '',
    ...(call?.server && call.tool && { toolMetadata: { server: call.server, tool: call.tool } }),
    input: parse(part.arguments ?? ''),
  }
  const approval = { id: known.toolCallId }
  const error = `${call?.error_code ?? 'unknown'}: ${call?.result?.text ?? 'The call has no result.'}`
  switch (call?.status) {
    case 'pending':
      return { ...known, state: 'approval-requested', approval }
    case 'approved':
      return { ...known, state: 'approval-responded', approval: { ...approval, approved: true } }
    case 'success':
      return { ...known, state: 'output-available', output: toOutput(call.result) }
    case 'denied':
    case 'expired':
      return { ...known, state: 'output-denied', approval: { ...approval, approved: false } }
    case 'running':
      return { ...known, state: 'input-available' }
    default:
      return { ...known, state: 'output-error', errorText: error }
  }
}

/** The model's text of a result is not for the person, who sees what the tool gave. */
function toOutput(result: ToolCallRow['result']): unknown {
  const { text: _, ...output } = result ?? {}
  return output
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // The model wrote no JSON: the person sees what it wrote.
  }
}
