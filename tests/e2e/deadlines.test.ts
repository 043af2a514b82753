import { createConnection } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Stack } from '../../dev/stack/stack-options.ts'
import { sharedFolder } from '../support/stack/stack-folder.ts'

const LIMIT_MS = 400

/** Reads the body, then says a word every quarter of the limit until twice the limit is over. */
const SLOW = `
export default {
  async fetch(request) {
    await request.text()
    let words = 8
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, ${LIMIT_MS / 4}))
        if (words-- > 0) controller.enqueue(new TextEncoder().encode('word '))
        else controller.close()
      },
    })
    return new Response(body)
  },
}
`
const folder = sharedFolder()
let stack: Stack

beforeAll(async () => {
  folder.write('migrations/20260101000000_first.sql', 'create table public.a (t text);')
  folder.write('functions/slow/index.ts', SLOW)
  stack = await folder.start({ requestTimeoutMs: LIMIT_MS })
})

/** Sends the text, then a byte of `rest` at a time; resolves with all that came until the end. */
function sendSlowly(text: string, rest: string): Promise<{ answer: string; ms: number }> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(new URL(stack.url).port), '127.0.0.1')
    let answer = ''
    let at = 0
    const timer = setInterval(() => {
      if (socket.writable) socket.write(rest.charAt(at++ % rest.length))
    }, LIMIT_MS / 20)
    socket.setEncoding('utf8').on('data', (part: string) => (answer += part))
    socket.once('error', reject)
    socket.once('close', () => {
      clearInterval(timer)
      resolve({ answer, ms: performance.now() - began })
    })
    socket.write(text)
  })
}

const paths = ['/rest/v1/a', '/auth/v1/signup', '/functions/v1/slow'] as const
const head = (path: string) =>
  [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    `apikey: ${stack.secretKey}`,
    'content-type: application/json',
  ].join('\r\n')

const kinds = {
  headers: (path: string) => sendSlowly(`${head(path)}\r\nx-slow: `, 'a'),
  'a body of a known length': (path: string) =>
    sendSlowly(`${head(path)}\r\ncontent-length: 10000\r\n\r\n`, '['),
  'a body in chunks': (path: string) =>
    sendSlowly(`${head(path)}\r\ntransfer-encoding: chunked\r\n\r\n`, '1\r\n[\r\n'),
} as const

describe.each(paths)('%s', (path) => {
  test.concurrent.each(Object.keys(kinds) as (keyof typeof kinds)[])(
    'closes a request whose client sends %s a byte at a time',
    async (kind) => {
      const { answer, ms } = await kinds[kind](path)
      expect(answer).toMatch(/^HTTP\/1\.1 408 .*"code":"request_timeout"/s)
      expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
      expect(ms).toBeGreaterThanOrEqual(LIMIT_MS)
    },
  )
})

test('an answer that takes longer than the limit is not cut', async () => {
  const began = performance.now()
  const response = await fetch(`${stack.url}/functions/v1/slow`, { method: 'POST', body: '{}' })
  expect(await response.text()).toBe('word '.repeat(8))
  expect(performance.now() - began).toBeGreaterThan(LIMIT_MS)
})
