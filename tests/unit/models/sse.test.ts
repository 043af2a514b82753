import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type SseEvent,
  SseEventTooLargeError,
  SseParser,
} from '../../../supabase/functions/_shared/models/sse.ts'
import { encode, splitAt } from './support.ts'
import { cpuTimeOf } from '../../support/cpu-time.ts'

function parse(chunks: readonly Uint8Array[]): { events: SseEvent[]; pending: boolean } {
  const parser = new SseParser()
  const events: SseEvent[] = []
  for (const chunk of chunks) parser.push(chunk, events)
  return { events, pending: parser.pending }
}

const dataOf = (text: string): string[] => parse([encode(text)]).events.map(({ data }) => data)

/** The standard's algorithm word for word over the whole stream: slow, and obviously right. */
function reference(bytes: Uint8Array): SseEvent[] {
  const text = new TextDecoder('utf-8').decode(bytes)
  const lines = text.split(/\r\n|\n|\r/)
  const events: SseEvent[] = []
  let data = ''
  let event = ''
  let id = ''
  // What follows the last line end is a line that never ended.
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data !== '') events.push({ data: data.slice(0, -1), event, id })
      data = ''
      event = ''
      continue
    }
    const colon = line.indexOf(':')
    if (colon === 0) continue
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data += `${value}\n`
    if (field === 'event') event = value
    if (field === 'id' && !value.includes('\0')) id = value
  }
  return events
}

describe('the event stream parser', () => {
  it('reads events that end with LF, CR or CRLF', () => {
    expect(dataOf('data: a\n\ndata: b\r\rdata: c\r\n\r\n')).toEqual(['a', 'b', 'c'])
  })

  it('joins data lines and strips one space at most', () => {
    expect(dataOf('data: a\ndata:b\ndata:  c\ndata\n\n')).toEqual(['a\nb\n c\n'])
  })

  it('ignores comments and unknown fields', () => {
    expect(dataOf(': OPENROUTER PROCESSING\n\nretry: 5\nfoo\ndata: a\n: b\n\n')).toEqual(['a'])
  })

  it('dispatches empty data but no event without data', () => {
    expect(dataOf('data\n\nevent: x\n\ndata:\n\n')).toEqual(['', ''])
  })

  it('keeps the last id, resets the event name and refuses an id with a null character', () => {
    const { events } = parse([encode('id: 7\nevent: x\ndata: a\n\nid: 8\0\ndata: b\n\n')])
    expect(events).toEqual([
      { data: 'a', event: 'x', id: '7' },
      { data: 'b', event: '', id: '7' },
    ])
  })

  it('strips one byte order mark, at the start only', () => {
    expect(dataOf('\uFEFFdata: a\n\n\uFEFFdata: b\n\n')).toEqual(['a'])
    expect(dataOf('data: \uFEFFa\n\n')).toEqual(['\uFEFFa'])
  })

  it('hands out an event at its last CR without waiting for a possible LF', () => {
    const parser = new SseParser()
    const events: SseEvent[] = []
    parser.push(encode('data: a\r\n\r'), events)
    expect(events).toHaveLength(1)
    parser.push(encode('\ndata: b\n\n'), events)
    expect(events.map(({ data }) => data)).toEqual(['a', 'b'])
  })

  it('tells that an event is unfinished, and does not dispatch it', () => {
    expect(parse([encode('data: a\n')])).toEqual({ events: [], pending: true })
    expect(parse([encode('data: a')])).toEqual({ events: [], pending: true })
    expect(parse([encode('data: a\n\n: bye\n')]).pending).toBe(false)
  })

  it('caps one event, not the stream, and hands out what came before', () => {
    const parser = new SseParser(10)
    const events: SseEvent[] = []
    for (let count = 0; count < 5; count += 1) parser.push(encode('data: 1234\n\n'), events)
    expect(events).toHaveLength(5)
    expect(() => parser.push(encode('data: ok\n\ndata: 12345678901\n\n'), events)).toThrow(
      SseEventTooLargeError,
    )
    expect(events).toHaveLength(6)
    const lines = new SseParser(10)
    expect(() => lines.push(encode('data: 123456\ndata: 123456\n\n'), [])).toThrow(
      SseEventTooLargeError,
    )
  })

  it('reads a line that arrives byte by byte in linear time', async () => {
    const parser = new SseParser()
    const events: SseEvent[] = []
    const size = 300_000
    const read = () => {
      parser.push(encode('data: '), events)
      const one = encode('x')
      for (let count = 0; count < size; count += 1) parser.push(one, events)
      parser.push(encode('\n\n'), events)
    }
    // Searching the line again with every byte takes minutes.
    expect(await cpuTimeOf(read)).toBeLessThan(10_000)
    expect(events[0]?.data).toHaveLength(size)
  })
})

describe('any chunking of any stream', () => {
  const token = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('\n', '\r', '\r\n', '\n\n', 'data: ', 'data:', ':') },
    { weight: 2, arbitrary: fc.constantFrom('event: x', 'id: 1', 'id: \0', '\uFEFF', ' ', 'data') },
    { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }) },
  )
  const bytes = fc
    .array(
      fc.oneof(
        { weight: 9, arbitrary: token.map(encode) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3 }) },
      ),
      { maxLength: 40 },
    )
    .map((parts) => new Uint8Array(Buffer.concat(parts)))

  it('gives the events of the standard’s own algorithm', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 30 }), (stream, offsets) => {
        expect(parse(splitAt(stream, offsets)).events).toEqual(reference(stream))
      }),
      { numRuns: 3_000 },
    )
  })

  it('gives them byte by byte too', () => {
    fc.assert(
      fc.property(bytes, (stream) => {
        const single = Array.from(stream, (byte) => Uint8Array.of(byte))
        expect(parse(single).events).toEqual(reference(stream))
      }),
      { numRuns: 1_000 },
    )
  })
})
