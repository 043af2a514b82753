/**
 * A model server for benchmarks, in a process of its own, that speaks as fast as the question asks:
 * "paced 50 a second, 600 chunks". Each chunk is one write and holds the time at which it was written.
 * Prints its port.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readPace } from './paced-streams.ts'

function frame(content: string, finish_reason: string | null): string {
  const body = {
    id: 'gen-1763630000-abcdefghijklmnop',
    provider: 'OpenAI',
    model: 'openai/gpt-4',
    object: 'chat.completion.chunk',
    created: 1763630000,
    choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason, logprobs: null }],
  }
  return `data: ${JSON.stringify(body)}\n\n`
}

function speak(response: ServerResponse, perSecond: number, chunks: number): void {
  const began = performance.now()
  let written = 0
  const next = () => {
    response.write(frame(`@${Date.now()} lorem ipsum `, written + 1 === chunks ? 'stop' : null))
    written += 1
    if (written === chunks) {
      response.end('data: [DONE]\n\n')
      return
    }
    // Counted from the beginning: the pace stays what it is when a timer is late.
    timer = setTimeout(next, Math.max(0, began + (written * 1_000) / perSecond - performance.now()))
  }
  let timer = setTimeout(next, 0)
  response.once('close', () => clearTimeout(timer))
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (part: string) => (body += part))
  request.on('end', () => {
    const { perSecond, chunks } = readPace(body)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    speak(response, perSecond, chunks)
  })
})
// Longer than the pauses between calls: a gateway may use its connection again.
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.once('disconnect', () => process.exit())
process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
