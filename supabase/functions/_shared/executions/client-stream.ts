/** The way to one client, which may be slow, and may leave. */
export interface ClientStream {
  readonly readable: ReadableStream<Uint8Array>
  /** Sends a text, without waiting; does nothing once the client is gone. */
  readonly write: (text: string) => void
  readonly end: () => void
}

/**
 * Makes a stream that never holds back its writer: what the client has not read yet is kept up to
 * `limit` bytes, and a client that falls further behind is disconnected. The work goes on either
 * way, and its result is stored.
 * @param onLost called once when the client leaves (`cancel` of the stream) or falls behind
 */
export function createClientStream(
  limit: number,
  onLost: (reason: 'disconnected' | 'too_slow') => void,
): ClientStream {
  const encoder = new TextEncoder()
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null
  const readable = new ReadableStream<Uint8Array>(
    {
      start(started) {
        controller = started
      },
      // Not request.signal: under Deno that also aborts after a complete answer.
      cancel() {
        controller = null
        onLost('disconnected')
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: limit }),
  )
  return {
    readable,
    write(text) {
      if (!controller || text === '') return
      const chunk = encoder.encode(text)
      if ((controller.desiredSize ?? 0) < chunk.byteLength) {
        // An error cuts the connection: an orderly end would look like the end of the answer.
        controller.error(new Error('the client reads too slowly'))
        controller = null
        onLost('too_slow')
        return
      }
      controller.enqueue(chunk)
    },
    end() {
      controller?.close()
      controller = null
    },
  }
}
