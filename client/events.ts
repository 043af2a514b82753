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
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, void, void> {
  if (!response.body) {
    yield* toEvents((await response.text()).split('\n\n'))
    return
  }
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  const leave = () =>
    void reader.cancel().catch(() => {
      // The connection is lost already, and the read has said so.
    })
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n')
      rest = blocks.pop() ?? ''
      yield* toEvents(blocks)
    }
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
}

// The backend writes each field on a line of its own; a comment has neither.
function* toEvents(blocks: readonly string[]): Generator<StreamEvent, void, void> {
  for (const block of blocks) {
    const data = /^data: (.*)$/m.exec(block)?.[1]
    if (data !== undefined) yield { id: /^id: (\d+)$/m.exec(block)?.[1] ?? null, data }
  }
}
