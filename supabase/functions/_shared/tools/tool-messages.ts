import type {
  MessagePart,
  ModelMessage,
  ToolCallPart,
  ToolResultPart,
} from '../models/model-protocol.ts'
import { notMadeText } from './tool-texts.ts'

/**
 * A conversation as providers want it: stored answers hold calls and their results in one message;
 * here each round of calls is an assistant's message, followed by one with all its results. A call
 * without a result gets one that says so, and a result without a call is left out: providers refuse both.
 */
export function toToolMessages(messages: readonly ModelMessage[]): ModelMessage[] {
  const result: ModelMessage[] = []
  let open: ToolCallPart[] = []
  const close = () => {
    if (open.length > 0)
      addResults(
        result,
        open.map((call) => resultOf(call, notMadeText())),
      )
    open = []
  }
  for (const message of messages) {
    const parts = message.parts ?? []
    if (!parts.some(isToolPart)) {
      close()
      result.push(message)
      continue
    }
    let said: MessagePart[] = []
    const say = () => {
      if (said.length === 0) return
      close()
      const text = said.map((part) => (part.type === 'text' ? part.text : '')).join('')
      result.push({ role: message.role, content: text, parts: said })
      open = said.filter((part) => part.type === 'tool_call')
      said = []
    }
    for (const part of parts) {
      if (part.type !== 'tool_result') {
        said.push(part)
        continue
      }
      say()
      const call = open.find(({ id }) => id === part.tool_call_id)
      if (!call) continue
      open = open.filter((other) => other !== call)
      addResults(result, [part])
    }
    say()
  }
  close()
  return result
}

/** The same messages without what tools showed: of an image stays the text that says what it was. */
export function withoutToolFiles(messages: readonly ModelMessage[]): ModelMessage[] {
  return messages.map((message) => {
    if (!message.parts?.some(hasFiles)) return message
    return { ...message, parts: withoutFiles(message.parts) }
  })
}

/** Parts as they are stored. */
export function withoutFiles(parts: readonly MessagePart[]): MessagePart[] {
  return parts.map((part) => {
    if (!hasFiles(part)) return part
    const { files: _, ...rest } = part
    return rest
  })
}

export function hasFiles(part: MessagePart): part is ToolResultPart {
  return part.type === 'tool_result' && part.files !== undefined
}

/** A result with a text of ours. */
export function resultOf({ id, name }: ToolCallPart, content: string): ToolResultPart {
  return { type: 'tool_result', tool_call_id: id, name, content, is_error: true }
}

function addResults(messages: ModelMessage[], results: readonly ToolResultPart[]): void {
  const last = messages.at(-1)
  if (last?.role === 'tool') {
    messages[messages.length - 1] = { ...last, parts: [...(last.parts ?? []), ...results] }
  } else messages.push({ role: 'tool', content: '', parts: results })
}

function isToolPart({ type }: MessagePart): boolean {
  return type === 'tool_call' || type === 'tool_result'
}
