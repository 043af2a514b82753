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

export function withoutOldest(execution: BegunExecution, trimmed: number): BegunExecution {
  return trimmed === 0 ? execution : { ...execution, history: execution.history.slice(trimmed) }
}
