import { OutboundError } from './error.ts'

/** The size of a chunk with its extensions; a trailer. */
const maxLine = 4 * 1024
/** All extensions and trailers of one answer, which no limit of its content counts. */
const maxExtra = 64 * 1024

/** Decodes content in chunks (RFC 9112, section 7.1), as much of it as each read brought. */
export class ChunkedDecoder {
  #state: 'size' | 'content' | 'end' | 'trailers' | 'over' = 'size'
  /** The line that has begun. */
  #line = ''
  /** Bytes of the chunk that are to come. */
  #left = 0
  #extra = maxExtra
  #surplus = 0

  /** Whether the last chunk and its trailers have come. */
  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Bytes that followed the end. */
  get surplus(): number {
    return this.#surplus
  }

  /**
   * The content of the next bytes, moved together at their beginning.
   * @throws OutboundError `broken_answer`, `too_large`
   */
  decode(bytes: Uint8Array): Uint8Array {
    let length = 0
    let place = 0
    while (place < bytes.length && this.#state !== 'over') {
      if (this.#state === 'content') {
        const end = place + Math.min(this.#left, bytes.length - place)
        bytes.copyWithin(length, place, end)
        length += end - place
        this.#left -= end - place
        place = end
        if (this.#left === 0) this.#state = 'end'
      } else {
        const lineFeed = bytes.indexOf(0x0a, place)
        const end = lineFeed < 0 ? bytes.length : lineFeed
        if (this.#line.length + end - place > maxLine) {
          throw new OutboundError('too_large', 'a line of the answer')
        }
        this.#line += String.fromCharCode(...bytes.subarray(place, end))
        place = end + 1
        if (lineFeed >= 0) this.#endLine()
      }
    }
    this.#surplus = Math.max(0, bytes.length - place)
    return bytes.subarray(0, length)
  }

  #endLine(): void {
    const line = this.#line.replace(/\r$/, '')
    this.#line = ''
    if (this.#state === 'size') {
      const size = /^([\da-f]{1,8})[ \t]*(?:;|$)/i.exec(line)?.[1]
      if (size === undefined) throw new OutboundError('broken_answer', 'no size of a chunk')
      this.#spend(line.length - size.length)
      this.#left = parseInt(size, 16)
      // Trailers follow the last one; this backend ignores them.
      this.#state = this.#left > 0 ? 'content' : 'trailers'
    } else if (this.#state === 'end') {
      if (line !== '') throw new OutboundError('broken_answer', 'a longer chunk')
      this.#state = 'size'
    } else if (line === '') this.#state = 'over'
    else this.#spend(line.length)
  }

  #spend(extra: number): void {
    this.#extra -= extra
    if (this.#extra < 0) throw new OutboundError('too_large', 'what surrounds the content')
  }
}
