/** One server-sent event of a stream of `agents`. */
export interface StreamEvent {
  /** Its place in the stream, for `Last-Event-ID`; null for an event outside the stream's count. */
  readonly id: string | null
  readonly data: string
}

/**
 * The events of a stream, as they arrive, until it ends or the signal aborts. A body that the runtime
 * cannot stream, as with `fetch` of React Native, is read whole.
 */
export async function* readEvents(
  response: Response,
  signal?: AbortSignal,
): AsyncGenerator<StreamEvent, void, void> {
  if (!response.body) {
    yield* toEvents(await response.text())
    return
  }
  const reader = response.body.getReader()
  const leave = () =>
    void reader.cancel().catch(() => {
      // The connection is lost already, and the read has said so.
    })
  signal?.addEventListener('abort', leave, { once: true })
  if (signal?.aborted) leave()
  let rest = new Uint8Array()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const bytes = new Uint8Array(rest.length + value.length)
      bytes.set(rest)
      bytes.set(value, rest.length)
      const end = endOfEvents(bytes)
      rest = bytes.slice(end)
      yield* toEvents(toText(bytes.subarray(0, end)))
    }
  } finally {
    signal?.removeEventListener('abort', leave)
    leave()
  }
}

const newline = 10

/** Where the last whole event of the bytes ends: after an empty line. */
function endOfEvents(bytes: Uint8Array): number {
  let end = bytes.length
  while (end > 1 && (bytes[end - 1] !== newline || bytes[end - 2] !== newline)) end -= 1
  return end > 1 ? end : 0
}

/** Whole events only, so that no character is cut. Hermes has no TextDecoder without Expo. */
function toText(bytes: Uint8Array): string {
  if (typeof TextDecoder === 'function') return new TextDecoder().decode(bytes)
  const codes = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`)
  return decodeURIComponent(codes.join(''))
}

// The backend writes each field on a line of its own; a comment has neither.
function* toEvents(text: string): Generator<StreamEvent, void, void> {
  for (const block of text.split('\n\n')) {
    const data = /^data: (.*)$/m.exec(block)?.[1]
    if (data !== undefined) yield { id: /^id: (\d+)$/m.exec(block)?.[1] ?? null, data }
  }
}
