import { cutEnd } from '../../cut-end.ts'
import type { Message } from './repair-message.ts'

/**
 * Repairs the messages of a stream of server-sent events (WHATWG HTML, section 9.2.6) and leaves
 * everything else of it as it is: ids and pauses, by which a broken stream is taken up again.
 * @param repair the messages to send on for the data of one event
 */
export function repairEvents(
  body: ReadableStream<Uint8Array>,
  repair: (data: string) => readonly Message[],
): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  let held = ''
  /** Before this, `held` has no end of an event. */
  let searched = 0
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        held += decoder.decode(chunk, { stream: true })
        // A carriage return at the end may be half of a line's end.
        const open = held.endsWith('\r') ? '\r' : ''
        const fresh = held.slice(searched, held.length - open.length).replace(/\r\n?/g, '\n')
        held = held.slice(0, searched) + fresh
        for (;;) {
          const end = held.indexOf('\n\n', Math.max(0, searched - 1))
          if (end < 0) break
          controller.enqueue(encoder.encode(repairEvent(held.slice(0, end), repair)))
          held = held.slice(end + 2)
          searched = 0
        }
        searched = held.length
        held += open
      },
      flush(controller) {
        // The last event of a stream that ends without a blank line.
        const rest = cutEnd(held.replace(/\r\n?/g, '\n'), '\n')
        if (rest !== '') controller.enqueue(encoder.encode(repairEvent(rest, repair)))
      },
    }),
  )
}

function repairEvent(event: string, repair: (data: string) => readonly Message[]): string {
  // An answer in plain JSON, to which its server gave the type of a stream.
  if (/^\s*[[{]/.test(event)) return repairEvent(event.replace(/^/gm, 'data:'), repair)
  const lines = event.split('\n')
  const isData = (line: string) => line === 'data' || line.startsWith('data:')
  const name = lines
    .findLast((line) => line.startsWith('event:'))
    ?.slice('event:'.length)
    .trim()
  const data = lines.filter(isData).map((line) => line.slice('data:'.length).replace(/^ /, ''))
  const isOwn = name === undefined || name === '' || name === 'message'
  // Names where the stream of 2024-11-05 takes messages.
  if (data.join('') === '' || name === 'endpoint') return `${event}\n\n`
  const messages = repair(data.join('\n')).map((message) => `data: ${JSON.stringify(message)}\n`)
  // A message counts by what it says, and the library reads those of its own name alone.
  if (!isOwn && messages.length === 0) return `${event}\n\n`
  const others = lines
    .filter((line) => !isData(line) && !line.startsWith('event:'))
    .map((line) => `${line}\n`)
  return (messages.length === 0 ? [''] : messages)
    .map((message) => `${others.join('')}${message}\n`)
    .join('')
}

/** The data of the events of a whole text; null when it is no such stream. */
export function eventData(text: string): string[] | null {
  if (!/^\uFEFF?(?:data|event|id|retry)?:/.test(text)) return null
  return text
    .replace(/\r\n?/g, '\n')
    .split('\n\n')
    .map((event) =>
      event
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice('data:'.length).replace(/^ /, ''))
        .join('\n'),
    )
    .filter((data) => data !== '')
}
