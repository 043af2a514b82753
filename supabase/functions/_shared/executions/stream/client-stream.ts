import type { Clock } from '../../time.ts'
import { keepAlive, keepAliveInterval } from './ui-message-stream.ts'

/** The stream to one client, which may be slow and may leave. */
export interface ClientStream {
  readonly readable: ReadableStream<Uint8Array>
  /** Sends a text, without waiting; does nothing once the client is gone. */
  readonly write: (text: string) => void
  readonly end: () => void
  /** Cuts the connection: an orderly end would look like the end of the answer. */
  readonly cut: (reason: string) => void
}

export interface ClientStreamOptions {
  /** Bytes kept for a client that reads slower than it is written to. */
  readonly limit: number
  readonly clock: Clock
  /** Called once when the client leaves (`cancel` of the stream) or falls behind. */
  readonly onLost: (reason: 'disconnected' | 'too_slow') => void
}

/**
 * Makes a stream that never blocks its writer. It keeps unread text up to a limit, and disconnects
 * a client that falls further behind. The execution continues, and its result is stored. During
 * silence a comment keeps the connection alive.
 */
export function createClientStream({ limit, clock, onLost }: ClientStreamOptions): ClientStream {
  const encoder = new TextEncoder()
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null
  let written = clock.now()
  let timer = clock.setTimeout(breakSilence, keepAliveInterval)
  const readable = new ReadableStream<Uint8Array>(
    {
      start(started) {
        controller = started
      },
      // Not request.signal: under Deno that also aborts after a complete answer.
      cancel() {
        leave()
        onLost('disconnected')
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: limit }),
  )
  return {
    readable,
    write,
    end() {
      controller?.close()
      leave()
    },
    cut,
  }

  function write(text: string): void {
    if (!controller || text === '') return
    const chunk = encoder.encode(text)
    // One text may be longer than the limit: a picture comes whole.
    if ((controller.desiredSize ?? 0) <= 0) {
      cut('the client reads too slowly')
      onLost('too_slow')
      return
    }
    controller.enqueue(chunk)
    written = clock.now()
  }

  function cut(reason: string): void {
    controller?.error(new Error(reason))
    leave()
  }

  function leave(): void {
    controller = null
    clock.clearTimeout(timer)
  }

  function breakSilence(): void {
    if (!controller) return
    const silence = clock.now() - written
    if (silence >= keepAliveInterval) write(keepAlive)
    timer = clock.setTimeout(breakSilence, Math.max(keepAliveInterval - silence, 1_000))
  }
}
