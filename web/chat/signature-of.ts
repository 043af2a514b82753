import type { UIMessage } from 'ai'

/** What of the messages another device may have changed: which there are, and what became of calls. */
export function signatureOf(messages: readonly UIMessage[]): string {
  return JSON.stringify(
    messages.map(({ id, parts }) => [
      id,
      ...parts.flatMap((part) => {
        return part.type === 'dynamic-tool' ? [[part.toolCallId, part.state]] : []
      }),
    ]),
  )
}
