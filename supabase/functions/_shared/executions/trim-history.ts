import type { MessagePart } from '../models/model-protocol.ts'
import type { BegunExecution, HistoryMessage } from './execution.ts'

/**
 * How many messages to leave out of a conversation that is too long for its model: whole turns from
 * the oldest, until half of what was sent is left. The newest turn always stays.
 * @param trimmed messages that were left out before
 * @returns null when nothing but the newest turn is left
 */
export function trimFurther(history: readonly HistoryMessage[], trimmed: number): number | null {
  const sizes = history.map((message) => JSON.stringify(message).length)
  const sizeFrom = (start: number) => sizes.slice(start).reduce((sum, size) => sum + size, 0)
  const most = sizeFrom(trimmed) / 2
  const turns = [...history.keys()].filter(
    (index) => index > trimmed && history[index]?.role === 'user',
  )
  return turns.find((start) => sizeFrom(start) <= most) ?? turns.at(-1) ?? null
}

/**
 * How many messages to leave out before the first call, because the window of the model surely cannot hold
 * them: whole turns from the oldest, until what is left likely fits. What may fit is left to the provider,
 * which counts in its own way (docs/decisions/0049). The newest turn always stays.
 */
export function trimToWindow(history: readonly HistoryMessage[], window: number): number {
  const texts = history.map(textOf)
  const lengthFrom = (start: number) =>
    texts.slice(start).reduce((sum, { length }) => sum + length, 0)
  // Repetition only makes fewer tokens of it, so this look is enough for almost every conversation.
  if (lengthFrom(0) / mostPerToken <= window) return 0
  const least = texts.reduce((sum, text) => sum + withoutRuns(text).length, 0) / mostPerToken
  if (least <= window) return 0
  const turns = [...history.keys()].filter((index) => index > 0 && history[index]?.role === 'user')
  return turns.find((start) => lengthFrom(start) / likelyPerToken <= window) ?? turns.at(-1) ?? 0
}

/** Characters of a token: no longer in any text that a person writes, and in plain English. */
const mostPerToken = 16
const likelyPerToken = 4

/** One token can stand for a hundred spaces or dashes. */
function withoutRuns(text: string): string {
  return text.replaceAll(/(.)\1{3,}/gsu, '$1')
}

/** What of a message every model is sent as text. */
function textOf({ content, parts }: HistoryMessage): string {
  if (!parts) return content
  const said = (parts as readonly MessagePart[]).map((part) => {
    if (part.type === 'text' || part.type === 'refusal') return part.text
    if (part.type === 'tool_call') return part.arguments
    return part.type === 'tool_result' ? part.content : ''
  })
  return said.join('')
}

export function withoutOldest(execution: BegunExecution, trimmed: number): BegunExecution {
  return trimmed === 0 ? execution : { ...execution, history: execution.history.slice(trimmed) }
}
