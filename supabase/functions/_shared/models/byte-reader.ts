import { giveUp } from '../outbound/give-up.ts'

const BUFFER_BYTES = 16 * 1024

/**
 * Reads a body into one buffer that is used again and again.
 *
 * On Deno a plain reader allocates 64 KiB for every read: for a stream of 200 small chunks that
 * is more than half of all the CPU the stream costs.
 */
export class ByteReader {
  readonly #byob: ReadableStreamBYOBReader | null
  readonly #plain: ReadableStreamDefaultReader<Uint8Array> | null
  #buffer = new ArrayBuffer(BUFFER_BYTES)

  constructor(body: ReadableStream<Uint8Array>) {
    this.#byob = byobReaderOf(body)
    this.#plain = this.#byob === null ? body.getReader() : null
  }

  /** The next bytes, valid until the next call, or null at the orderly end of the body. */
  async read(): Promise<Uint8Array | null> {
    if (this.#byob === null) {
      const plain = await this.#plain?.read()
      return plain === undefined || plain.done ? null : plain.value
    }
    const { done, value } = await this.#byob.read(new Uint8Array(this.#buffer))
    if (value !== undefined) this.#buffer = value.buffer
    return done ? null : value
  }

  /** Gives up the rest of the body. */
  async cancel(): Promise<void> {
    await (this.#byob ?? this.#plain)?.cancel()
  }
}

function byobReaderOf(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: 'byob' })
  } catch (error) {
    // A stream of chunks rather than bytes, such as a body made in memory.
    if (error instanceof TypeError) return null
    throw error
  }
}

/**
 * Reads a body as UTF-8 text up to a number of bytes, and ignores its announced length.
 * @returns the text and whether the body was longer (the rest is cancelled, unread)
 */
export async function readText(
  response: Response,
  maxBytes: number,
): Promise<{ text: string; truncated: boolean }> {
  if (response.body === null) return { text: '', truncated: false }
  const reader = new ByteReader(response.body)
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const value = await reader.read()
    if (value === null) return { text: text + decoder.decode(), truncated: false }
    const room = maxBytes - size
    size += value.length
    text += decoder.decode(value.length > room ? value.subarray(0, room) : value, { stream: true })
    if (size > maxBytes) {
      await giveUp(reader)
      return { text, truncated: true }
    }
  }
}
