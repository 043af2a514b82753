/**
 * Server-sent events, WHATWG HTML §9.2.6 "Interpreting an event stream", fed with the byte chunks
 * of an upstream read. Carriage returns, line feeds and byte order marks may be split anywhere,
 * and so may UTF-8 sequences.
 */

/** One dispatched event; `event` is '' when the stream names none (the standard's `message`). */
export interface SseEvent {
  data: string
  event: string
  /** The last event id seen so far, '' when none was sent. */
  id: string
}

/** An event grew beyond the cap: the source is broken or hostile. */
export class SseEventTooLargeError extends Error {
  override name = 'SseEventTooLargeError'
}

const BYTE_ORDER_MARK = 0xfeff
const NO_BYTES = new Uint8Array(0)

export class SseParser {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #maxEventLength: number
  #carry: Uint8Array = NO_BYTES
  #atStart = true
  #skipLineFeed = false
  #line = ''
  #data: string | null = null
  #event = ''
  #id = ''

  /** @param maxEventLength cap of one event in UTF-16 units, 9 Mi by default */
  constructor(maxEventLength = 9 * 1024 * 1024) {
    this.#maxEventLength = maxEventLength
  }

  /** True while bytes of an event are held that no blank line has completed. */
  get pending(): boolean {
    return this.#line !== '' || this.#data !== null || this.#carry.length > 0
  }

  /**
   * Adds the bytes of one read and appends the events they complete to `events`.
   * @throws SseEventTooLargeError; the events completed before it are in `events`
   */
  push(bytes: Uint8Array, events: SseEvent[]): void {
    let text = this.#decode(bytes)
    if (text === '') return
    if (this.#atStart) {
      this.#atStart = false
      if (text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1)
    }
    if (this.#skipLineFeed) {
      if (text === '') return
      this.#skipLineFeed = false
      if (text.charCodeAt(0) === 10) text = text.slice(1)
    }
    if (text.includes('\r')) this.#splitAnyLineEnd(text, events)
    else this.#splitLineFeeds(text, events)
  }

  #splitLineFeeds(text: string, events: SseEvent[]): void {
    let position = 0
    for (;;) {
      const end = text.indexOf('\n', position)
      if (end === -1) break
      const plain = this.#line === '' && this.#data === null && this.#event === ''
      if (plain && text.charCodeAt(end + 1) === 10 && text.startsWith('data: ', position)) {
        this.#checkLength(end - position)
        events.push({ data: text.slice(position + 6, end), event: '', id: this.#id })
        position = end + 2
        continue
      }
      this.#endLine(text.slice(position, end), events)
      position = end + 1
    }
    this.#keepPartialLine(text, position)
  }

  #splitAnyLineEnd(text: string, events: SseEvent[]): void {
    let position = 0
    let lineFeed = text.indexOf('\n')
    let carriageReturn = text.indexOf('\r')
    while (lineFeed !== -1 || carriageReturn !== -1) {
      const isReturn = carriageReturn !== -1 && (lineFeed === -1 || carriageReturn < lineFeed)
      const end = isReturn ? carriageReturn : lineFeed
      // The line ends here and now: waiting for a possible LF would hold back a finished event.
      this.#endLine(text.slice(position, end), events)
      position = end + 1
      if (isReturn && position === text.length) this.#skipLineFeed = true
      else if (isReturn && text.charCodeAt(position) === 10) position += 1
      if (lineFeed !== -1 && lineFeed < position) lineFeed = text.indexOf('\n', position)
      if (isReturn) carriageReturn = text.indexOf('\r', position)
    }
    this.#keepPartialLine(text, position)
  }

  // Only new text is ever searched for a line end, so a line in a thousand reads stays linear.
  #keepPartialLine(text: string, position: number): void {
    if (position === text.length) return
    this.#line += position === 0 ? text : text.slice(position)
    this.#checkLength(this.#line.length + (this.#data?.length ?? 0))
  }

  #endLine(rest: string, events: SseEvent[]): void {
    const line = this.#line === '' ? rest : this.#line + rest
    this.#line = ''
    if (line === '') {
      if (this.#data !== null) events.push({ data: this.#data, event: this.#event, id: this.#id })
      this.#data = null
      this.#event = ''
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon === -1 ? line : line.slice(0, colon)
    const valueStart = line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1
    const value = colon === -1 ? '' : line.slice(valueStart)
    if (field === 'data') {
      this.#checkLength(value.length + (this.#data?.length ?? 0))
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`
    } else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
  }

  #checkLength(length: number): void {
    if (length <= this.#maxEventLength) return
    throw new SseEventTooLargeError(`An event is longer than ${this.#maxEventLength} characters`)
  }

  // One-shot decoding of whole sequences is several times cheaper than TextDecoder's stream mode.
  #decode(chunk: Uint8Array): string {
    let bytes = chunk
    if (this.#carry.length > 0) {
      bytes = new Uint8Array(this.#carry.length + chunk.length)
      bytes.set(this.#carry)
      bytes.set(chunk, this.#carry.length)
      this.#carry = NO_BYTES
    }
    const end = wholeSequences(bytes)
    if (end === bytes.length) return this.#decoder.decode(bytes)
    this.#carry = bytes.slice(end)
    return this.#decoder.decode(bytes.subarray(0, end))
  }
}

/** The length of the longest prefix that ends between UTF-8 sequences. */
function wholeSequences(bytes: Uint8Array): number {
  const length = bytes.length
  for (let back = 1; back <= 3 && back <= length; back += 1) {
    const byte = bytes[length - back] as number
    if (byte < 0x80) return length
    if (byte < 0xc0) continue
    const size = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf8 ? 4 : 1
    return size > back ? length - back : length
  }
  return length
}
