import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findDeno } from '../../../dev/functions/deno-binary.ts'
import { selfSignedCertificate } from '../../support/agents/certificate.ts'

const run = promisify(execFile)
const peer = fileURLToPath(new URL('pooled-peer.ts', import.meta.url))

/** The connections of each path, one entry for each request. */
const asked = new Map<string, Socket[]>()
let held: ServerResponse | null = null

type Answer = (response: ServerResponse, request: IncomingMessage, earlier: number) => void

const answers: Record<string, Answer> = {
  '/chunked': (response) => {
    response.write('ab')
    response.end('cd')
  },
  '/secure': (response) => void response.end('safe'),
  '/misnamed': (response) => void response.end('never read'),
  '/close': (response) => void response.setHeader('connection', 'close').end('abcd'),
  '/surplus': (response) =>
    void response.socket?.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200'),
  // Serves one request of each connection, and leaves without an answer when another one comes.
  '/once': (response, { socket }, earlier) => {
    if (earlier === 0) response.end('abcd')
    else socket.destroy()
  },
  '/never': (_, { socket }) => void socket.destroy(),
  '/gzip': (response) => {
    response.setHeader('content-encoding', 'gzip').end(gzipSync('abcd'))
  },
  '/empty': (response) => void response.writeHead(204).end(),
  '/echo': (response, request) => {
    response.write(`${request.headers['content-type']} `)
    request.pipe(response)
  },
  '/held': (response) => {
    response.write('first')
    held = response
  },
  '/speak': (response) => {
    for (let word = 0; word < 20; word += 1) held?.write('x')
    response.end()
  },
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { url = '', socket } = request
  const sockets = asked.get(url) ?? []
  asked.set(url, [...sockets, socket])
  const answer = () =>
    answers[url]?.(response, request, sockets.filter((each) => each === socket).length)
  if (url === '/echo') return answer()
  request.resume().once('end', answer)
}

const known = selfSignedCertificate('localhost')
const other = selfSignedCertificate('other.example')
const servers: Server[] = [
  createServer(serve),
  createSecureServer(known, serve),
  createSecureServer(other, serve),
]
let ended: Record<string, unknown>
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pooled-'))
  const ca = join(folder, 'ca.pem')
  await writeFile(ca, known.cert + other.cert)
  const origins = await Promise.all(
    servers.map(async (server, index) => {
      await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
      return `${index === 0 ? 'http' : 'https'}://localhost:${(server.address() as AddressInfo).port}`
    }),
  )
  const { stdout } = await run(
    findDeno(),
    ['run', '--no-prompt', '--allow-net', peer, ...origins],
    {
      env: { ...process.env, DENO_CERT: ca, DENO_NO_UPDATE_CHECK: '1' },
      // An idle connection that kept the process alive would be waited for until here.
      timeout: 60_000,
    },
  )
  ended = JSON.parse(stdout) as Record<string, unknown>
}, 90_000)
afterAll(async () => {
  for (const server of servers) server.close()
  await rm(folder, { recursive: true })
})

const connectionsOf = (path: string) => new Set(asked.get(path)).size

it('one connection serves one request after the other, over TLS too', () => {
  expect(ended).toMatchObject({
    chunked: ['200 abcd', '200 abcd', '200 abcd'],
    secure: ['200 safe', '200 safe', '200 safe'],
  })
  expect(connectionsOf('/chunked')).toBe(1)
  expect(connectionsOf('/secure')).toBe(1)
})

it('a certificate of another name is refused, and nothing is sent', () => {
  expect(ended).toMatchObject({ misnamed: 'failed' })
  expect(asked.has('/misnamed')).toBe(false)
})

it('a connection is not used again after the server said close, or more than its answer', () => {
  expect(ended).toMatchObject({
    close: ['200 abcd', '200 abcd', '200 abcd'],
    surplus: ['200 ab', '200 ab', '200 ab'],
  })
  expect(connectionsOf('/close')).toBe(3)
  expect(connectionsOf('/surplus')).toBe(3)
})

it('a request on a connection that the server had closed is sent once more, any other only once', () => {
  expect(ended).toMatchObject({
    once: ['200 abcd', '200 abcd', '200 abcd'],
    never: ['failed', 'failed'],
  })
  // The first of the two goes over the connection of `/once`, and then over a new one.
  expect(asked.get('/never')).toHaveLength(3)
  expect(connectionsOf('/never')).toBe(3)
})

it('bodies are sent and read whole', () => {
  expect(ended).toMatchObject({
    gzip: '200 abcd',
    empty: '204 ',
    form: '200 application/x-www-form-urlencoded;charset=UTF-8 a=b+%C3%BC',
  })
})

it('one read takes all that came since the read before it', () => {
  expect(ended).toMatchObject({ words: [20, 20] })
})

it('an abort ends the reading of an answer with its reason, and the connection', async () => {
  expect(ended).toMatchObject({ aborted: 'stopped' })
  const last = asked.get('/held')?.at(-1)
  await expect.poll(() => last?.destroyed, { timeout: 10_000 }).toBe(true)
})
