/** Headers of an AI SDK UI message stream, version 1, that no proxy may hold back. */
export const uiMessageStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
  'x-vercel-ai-ui-message-stream': 'v1',
} as const

/** A comment that keeps idle connections open; it is no event and has no id. */
export const keepAlive = ': keep-alive\n\n'

/** Milliseconds of silence after which a stream says that it is alive. */
export const keepAliveInterval = 10_000

/** Chunks as server-sent events. Each has an `id:`, its place in the stream counted from 1. */
export function eventsText(firstId: number, chunks: readonly string[]): string {
  let text = ''
  let id = firstId
  for (const chunk of chunks) text += `id: ${id++}\ndata: ${chunk}\n\n`
  return text
}

/** Chunks that are no part of an execution's stream: a client that resumes does so before them. */
export function withoutIds(chunks: readonly string[]): string {
  return chunks.map((chunk) => `data: ${chunk}\n\n`).join('')
}
