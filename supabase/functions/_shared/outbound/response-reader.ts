import { OutboundError } from './error.ts'

/** Status and headers of an answer. */
export interface ResponseHead {
  readonly status: number
  readonly headers: Headers
}

const maxHead = 64 * 1024
/** The size of a chunk with its extensions; a trailer. */
const maxLine = 4 * 1024
/** All extensions and trailers of one answer, which no limit of its content counts. */
const maxExtra = 64 * 1024

/** Reads the one answer of a connection that is closed after it: HTTP/1.1 (RFC 9112). */
export class ResponseReader {
  readonly #chunks: AsyncIterator<Uint8Array, undefined>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(connection: AsyncIterable<Uint8Array>) {
    this.#chunks = connection[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
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

  /** The content, in pieces as they come. @throws OutboundError `broken_answer`, `too_large` */
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
    let left = maxExtra
    const spend = (extra: number) => {
      left -= extra
      if (left < 0) throw new OutboundError('too_large', 'what surrounds the content')
    }
    for (;;) {
      const line = await this.#line(maxLine)
      const size = /^([\da-f]{1,8})[ \t]*(?:;|$)/i.exec(line)?.[1]
      if (size === undefined) throw broken('no size of a chunk')
      spend(line.length - size.length)
      const bytes = parseInt(size, 16)
      yield* this.#exactly(bytes)
      // Trailers follow the last one; this backend ignores them.
      for (let extra; (extra = await this.#line(maxLine)) !== '';) {
        if (bytes > 0) throw broken('a longer chunk')
        spend(extra.length)
      }
      if (bytes === 0) return
    }
  }

  async *#exactly(bytes: number): AsyncGenerator<Uint8Array, undefined> {
    for (let left = bytes; left > 0;) {
      const piece = await this.#take(left)
      if (piece === null) throw broken('it ended early')
      left -= piece.length
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
