import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findDeno } from '../../../dev/functions/deno-binary.ts'
import { selfSignedCertificate } from '../../support/agents/certificate.ts'
import { chunk, head, json } from '../../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  RESET,
  STALL,
  startRawProvider,
} from '../../support/agents/raw-provider.ts'

const chunked = head(200, { 'transfer-encoding': 'chunked' })
const halves = [chunk(Buffer.from('ab')), chunk(Buffer.from('cd'))]
const last = chunk(Buffer.alloc(0))

/** What a server sends, and how the request ends. */
const answers: Record<string, [RawScript, string]> = {
  length: [[json(200, 'abcd')], '200 abcd'],
  chunked: [[chunked, ...halves, last], '200 abcd'],
  bytes: [
    [...Buffer.concat([Buffer.from(chunked), ...halves, last])].map((byte) => Uint8Array.of(byte)),
    '200 abcd',
  ],
  extension: [[chunked, '2;a="b"\r\nab\r\n0\r\ntrailer: x\r\n\r\n'], '200 ab'],
  // More bytes of sizes than extensions may have.
  'small-chunks': [
    [chunked, '00000001\r\na\r\n'.repeat(10_000), last],
    `200 ${'a'.repeat(10_000)}`,
  ],
  close: [[head(200), 'ab', 'cd'], '200 abcd'],
  interim: [['HTTP/1.1 103 Early\r\nlink: x\r\n\r\n', json(200, 'abcd')], '200 abcd'],
  refusal: [[json(503, 'no')], '503 no'],
  // Never taken for a whole answer.
  'short-length': [[head(200, { 'content-length': '5' }), 'abcd'], 'broken_answer'],
  'short-chunks': [[chunked, ...halves], 'broken_answer'],
  'short-head': [['HTTP/1.1 200 OK\r\ncontent-'], 'broken_answer'],
  nothing: [[], 'broken_answer'],
  reset: [[chunked, ...halves, { delayMs: 20 }, RESET], 'broken_answer'],
  'two-lengths': [
    ['HTTP/1.1 200 OK\r\ncontent-length: 4\r\nContent-Length: 5\r\n\r\nabcd'],
    'broken_answer',
  ],
  'no-size': [[chunked, 'xyz\r\n'], 'broken_answer'],
  'long-chunk': [[chunked, '1\r\nab\r\n0\r\n\r\n'], 'broken_answer'],
  'unknown-coding': [[head(200, { 'transfer-encoding': 'gzip' }), 'ab'], 'broken_answer'],
  'folded-header': [['HTTP/1.1 200 OK\r\na: b\r\n c: d\r\n\r\nabcd'], 'broken_answer'],
  'no-http': [['220 mail.example ESMTP\r\n'], 'broken_answer'],
  upgrade: [['HTTP/1.1 101 Switching\r\n\r\n'], 'broken_answer'],
  'endless-head': [[`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(40_000)}`, STALL], 'too_large'],
  'endless-line': [['x'.repeat(200_000), STALL], 'too_large'],
  'endless-extensions': [
    [chunked, `1;${'x'.repeat(4_000)}\r\na\r\n`.repeat(20), STALL],
    'too_large',
  ],
  'endless-trailers': [[chunked, `0\r\n${'a: b\r\n'.repeat(40_000)}`, STALL], 'too_large'],
  // However much garbage has been collected meanwhile.
  stalled: [[chunked, ...halves, STALL], 'timeout'],
  silent: [[STALL], 'timeout'],
}

const run = promisify(execFile)
const peer = fileURLToPath(new URL('peer.ts', import.meta.url))
const trusted = selfSignedCertificate('known.localhost')
let provider: RawProvider
let folder: string

beforeAll(async () => {
  provider = await startRawProvider()
  provider.respond(({ path }) => answers[path.slice(1)]?.[0] ?? [])
  folder = await mkdtemp(join(tmpdir(), 'outbound-'))
  await writeFile(join(folder, 'ca.pem'), trusted.cert)
})
afterAll(async () => {
  await provider.close()
  await rm(folder, { recursive: true })
})

async function ask(runtime: 'node' | 'deno', urls: readonly string[]): Promise<string[]> {
  const ca = join(folder, 'ca.pem')
  // A proxy in the environment would be asked for names, and would resolve them itself.
  const proxy = 'http://127.0.0.1:1'
  const env = { ...process.env, HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy }
  const [program, args] =
    runtime === 'node'
      ? [process.execPath, ['--expose-gc', '--import', 'tsx']]
      : [
          findDeno(),
          ['run', '--no-prompt', '--allow-net=127.0.0.1,127.0.0.2', '--v8-flags=--expose-gc'],
        ]
  const { stdout } = await run(program, [...args, peer, JSON.stringify(urls)], {
    env: { ...env, NODE_EXTRA_CA_CERTS: ca, DENO_CERT: ca, DENO_NO_UPDATE_CHECK: '1' },
    timeout: 110_000,
  })
  return JSON.parse(stdout) as string[]
}

it.each(['node', 'deno'] as const)(
  '%s reads answers to their end, and takes no other for whole',
  async (runtime) => {
    const names = Object.keys(answers)
    const { port } = new URL(provider.url)
    const before = provider.journal.length
    const ended = await ask(
      runtime,
      names.map((name) => `http://${name}.localhost:${port}/${name}`),
    )
    expect(Object.fromEntries(names.map((name, place) => [name, ended[place]]))).toEqual(
      Object.fromEntries(names.map((name) => [name, answers[name]?.[1]])),
    )
    const requests = provider.journal.slice(before)
    expect(requests.map(({ method, headers, body }) => [method, headers['host'], body])).toEqual(
      names.map((name) => ['POST', `${name}.localhost:${port}`, 'question']),
    )
    // Nothing is left open behind an answer, whole or not.
    await Promise.all(requests.map(({ closed }) => closed))
  },
  120_000,
)

it.each(['node', 'deno'] as const)(
  '%s checks the certificate against the name, at whatever address',
  async (runtime) => {
    const hosts: unknown[] = []
    const server = createServer(trusted, (request, response) => {
      hosts.push(request.headers.host)
      response.end('safe')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as { port: number }
      const ended = await ask(runtime, [
        `https://known.localhost:${port}/`,
        `https://other.localhost:${port}/`,
        `https://127.0.0.1:${port}/`,
      ])
      expect(ended).toEqual(['200 safe', 'unreachable', 'unreachable'])
      expect(hosts).toEqual([`known.localhost:${port}`])
    } finally {
      server.close()
    }
  },
  120_000,
)
