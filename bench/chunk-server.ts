/**
 * A model server for benchmarks, in a process of its own so that its CPU is not the measured one:
 * every answer is 200 frames, each written by itself. Prints its port.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { framesOf } from './chunk-frames.ts'

const chatFrames = framesOf(false)
const vertexFrames = framesOf(true)

function stream(response: ServerResponse, frames: readonly string[], index = 0): void {
  response.write(frames[index] ?? '')
  if (index + 1 === frames.length) response.end()
  else setImmediate(() => stream(response, frames, index + 1))
}

const server = createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const vertex = request.url?.includes('streamGenerateContent') === true
  stream(response, vertex ? vertexFrames : chatFrames)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
console.log((server.address() as AddressInfo).port)
// Never outlives the benchmark that started it.
process.once('disconnect', () => process.exit())
