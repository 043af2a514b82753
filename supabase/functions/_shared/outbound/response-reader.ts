import { ChunkedDecoder } from './chunked-decoder.ts'
import { OutboundError } from './error.ts'

/** Status and headers of an answer. */
export interface ResponseHead {
  readonly status: number
  readonly headers: Headers
}

const maxHead = 64 * 1024

/** Reads the one answer to a request: HTTP/1.1 (RFC 9112). */
export class ResponseReader {
  readonly #chunks: AsyncIterator<Uint8Array, undefined>
  #rest: Uint8Array = new Uint8Array(0)
  #isExact = false

  constructor(connection: AsyncIterable<Uint8Array>) {
    this.#chunks = connection[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  }

  /** Whether the answer has ended by its framing, and nothing followed: the connection is free. */
  get isExact(): boolean {
    return this.#isExact
  }

  /** @throws OutboundError `broken_answer`, `too_large` */
  async head(): Promise<ResponseHead> {
    let left = maxHead
    const line = async () => {
      const text = await this.#line(left)
      left -= text.length
      return text
    }
    for (;;) {
      const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(await line())?.[1])
      if (Number.isNaN(status) || status === 101) throw broken('no HTTP')
      const headers = new Headers()
      for (let field = await line(); field !== ''; field = await line()) appendTo(headers, field)
      // Others are to come before the answer (RFC 9110, section 15.2).
      if (status >= 200) return { status, headers }
    }
  }

  /**
   * The content, one piece for each read of the connection: what it brought is decoded at once,
   * because a model's answer has a chunk for each word.
   * @throws OutboundError `broken_answer`, `too_large`
   */
  async *body({ headers }: ResponseHead): AsyncGenerator<Uint8Array, undefined> {
    const coding = headers.get('transfer-encoding')
    const length = headers.get('content-length')
    if (coding !== null) {
      if (coding.toLowerCase() !== 'chunked') throw broken('an unknown transfer coding')
      yield* this.#chunked()
    } else if (length !== null) {
      if (!/^\d{1,15}$/.test(length)) throw broken('no length')
      yield* this.#exactly(Number(length))
    } else {
      for (let piece; (piece = await this.#take(Infinity));) yield piece
    }
  }

  async *#chunked(): AsyncGenerator<Uint8Array, undefined> {
    const decoder = new ChunkedDecoder()
    while (!decoder.isOver) {
      const piece = await this.#take(Infinity)
      if (piece === null) throw broken('it ended early')
      const content = decoder.decode(piece)
      this.#isExact = decoder.isOver && decoder.surplus === 0
      if (content.length > 0) yield content
    }
  }

  async *#exactly(bytes: number): AsyncGenerator<Uint8Array, undefined> {
    this.#isExact = bytes === 0 && this.#rest.length === 0
    for (let left = bytes; left > 0;) {
      const piece = await this.#take(left)
      if (piece === null) throw broken('it ended early')
      left -= piece.length
      this.#isExact = left === 0 && this.#rest.length === 0
      yield piece
    }
  }

  /**
   * The available bytes, at least one and at most the given number; null at the end of the
   * connection.
   */
  async #take(most: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next()
      if (done) return null
      this.#rest = value
    }
    const piece = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  /** A line without its end, read as Latin-1. */
  async #line(limit: number): Promise<string> {
    let text = ''
    for (;;) {
      const piece = await this.#take(Infinity)
      if (piece === null) throw broken('it ended early')
      const end = piece.indexOf(0x0a)
      if (end >= 0) this.#rest = piece.subarray(end + 1)
      text += String.fromCharCode(
        ...piece.subarray(0, end < 0 ? limit + 1 : Math.min(end, limit + 1)),
      )
      if (text.length > limit) throw new OutboundError('too_large', 'a line of the answer')
      if (end >= 0) return text.replace(/\r$/, '')
    }
  }
}

function appendTo(headers: Headers, field: string): void {
  // Headers drops the blanks around a value; an expression for them takes quadratic time.
  const [, name, value] = /^([^\s:]+):(.*)$/s.exec(field) ?? []
  if (name === undefined || value === undefined) throw broken('no header')
  try {
    headers.append(name, value)
  } catch (error) {
    // A value that the platform refuses is in no header that this backend reads.
    if (!(error instanceof TypeError)) throw error
  }
}

function broken(detail: string): OutboundError {
  return new OutboundError('broken_answer', detail)
}
