import { describe, expect, it } from 'vitest'
import { errorStack as describeForLog } from '../../supabase/functions/_shared/log/log.ts'
import { redact } from '../../supabase/functions/_shared/log/redact.ts'
import { type SseEvent, SseParser } from '../../supabase/functions/_shared/models/sse.ts'
import { ResponseReader } from '../../supabase/functions/_shared/outbound/response-reader.ts'
import { readResult } from '../../supabase/functions/_shared/tools/tool-result.ts'
import { cpuTimeOf } from '../support/cpu-time.ts'

const mebi = 1024 * 1024
const fill = (piece: string, length: number) => piece.repeat(Math.ceil(length / piece.length))

function readHead(field: string): Promise<unknown> {
  const bytes = new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`)
  return new ResponseReader(
    (async function* () {
      yield bytes
    })(),
  ).head()
}

function parseFrames(text: string): void {
  const bytes = new TextEncoder().encode(text)
  const events: SseEvent[] = []
  const parser = new SseParser()
  for (let at = 0; at < bytes.length; at += 4_096)
    parser.push(bytes.subarray(at, at + 4_096), events)
}

/** What others send, as long as their limits let it be, and made to be slow for a careless reader. */
const readers: Record<string, () => unknown> = {
  'a header of blanks': () => readHead(`a:${fill(' ', 60_000)}b`),
  'a header of tabs': () => readHead(`a: b${fill('\t', 60_000)}c`),
  'heads of tokens in a log': () => redact(fill('eyJ-', mebi)),
  'beginnings of keys in a log': () => redact(fill('-----BEGIN A PRIVATE KEY', mebi)),
  'key words without keys in a log': () => describeForLog(fill('Bearer ', mebi)),
  'an image of padding': () =>
    readResult({ content: [{ type: 'image', data: `${fill('=', 4 * mebi)}x` }] }),
  'a resource of padding': () =>
    readResult({
      content: [{ type: 'resource', resource: { uri: 'a:b', blob: `${fill('=', 4 * mebi)}x` } }],
    }),
  'an event in many lines': () => parseFrames(fill('data\n', mebi)),
  'an event without a line end': () => parseFrames(`data: ${fill('x', mebi)}`),
}

describe('text from outside', () => {
  it.each(Object.entries(readers))(
    'is read in time that its length bounds: %s',
    async (_, read) => {
      // Linear work takes hundredths of a second; quadratic work takes many seconds.
      expect(await cpuTimeOf(read)).toBeLessThan(3_000)
    },
    60_000,
  )
})
