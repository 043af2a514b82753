/**
 * CPU per streamed answer of 200 chunks, 16 at once, read from a socket: our adapters against
 * the named baseline `pass-through`, which reads the same bytes and looks at none of them.
 *
 *   npx tsx bench/model-parser.ts
 *   npx deno run -A bench/model-parser.ts
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ModelAdapter } from '../supabase/functions/_shared/models/model-adapter.ts'
import { createOpenRouterAdapter } from '../supabase/functions/_shared/models/openai-compatible.ts'
import { streamModel } from '../supabase/functions/_shared/models/stream-model.ts'
import type { ModelRequest } from '../supabase/functions/_shared/models/types.ts'
import { createVertexAdapter } from '../supabase/functions/_shared/models/vertex.ts'

const CHUNKS = 200
const AT_ONCE = 16
const STREAMS = 480
const WARM_UP = 96
const CHUNK_EVERY_MS = 2
const WORD = 'lorem ipsum '

const isVertex = (path: string): boolean => path.includes('streamGenerateContent')

function frameOf(vertex: boolean, index: number): string {
  const last = index === CHUNKS - 1
  if (vertex) {
    const content = { role: 'model', parts: [{ text: WORD }] }
    const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: index, totalTokenCount: 9 }
    const candidates = [{ content, ...(last ? { finishReason: 'STOP' } : {}) }]
    return `data: ${JSON.stringify({ candidates, usageMetadata, modelVersion: 'gemini' })}\r\n\r\n`
  }
  const body = {
    id: 'gen-1763630000-abcdefghijklmnop',
    provider: 'OpenAI',
    model: 'openai/gpt-4',
    object: 'chat.completion.chunk',
    created: 1763630000,
    choices: [
      {
        index: 0,
        delta: { role: 'assistant', content: WORD },
        finish_reason: last ? 'stop' : null,
        native_finish_reason: last ? 'stop' : null,
        logprobs: null,
      },
    ],
  }
  return `data: ${JSON.stringify(body)}\n\n${last ? 'data: [DONE]\n\n' : ''}`
}

/** Runs in a process of its own, so that its CPU is not ours. */
async function serveUpstream(): Promise<void> {
  const frames = [false, true].map((vertex) =>
    Array.from({ length: CHUNKS }, (_, index) => frameOf(vertex, index)),
  )
  const stream = (response: ServerResponse, own: readonly string[], index = 0): void => {
    response.write(own[index] ?? '')
    if (index + 1 === own.length) response.end()
    else setTimeout(() => stream(response, own, index + 1), CHUNK_EVERY_MS)
  }
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    stream(response, frames[isVertex(request.url ?? '') ? 1 : 0] ?? [])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log((server.address() as AddressInfo).port)
}

async function startUpstream(): Promise<{ child: ChildProcess; url: string }> {
  const self = fileURLToPath(import.meta.url)
  const args = 'Deno' in globalThis ? ['run', '-A', self] : ['--import', 'tsx', self]
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const child = spawn(process.execPath, [...args, 'upstream'], { stdio: [...stdio] })
  if (child.stdout === null) throw new Error('the upstream has no output')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { child, url: `http://127.0.0.1:${line}` }
}

const request: ModelRequest = {
  model: 'gemini',
  systemPrompts: ['Be brief.'],
  messages: [{ role: 'user', content: 'Hi' }],
  params: {},
  config: {},
}

function vertexOn(url: string): ModelAdapter {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const serviceAccount = JSON.stringify({
    type: 'service_account',
    project_id: 'bench',
    client_email: 'bench@bench.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  })
  const adapter = createVertexAdapter({ serviceAccount, baseUrl: url })
  const token: typeof fetch = () =>
    Promise.resolve(Response.json({ access_token: 'token', expires_in: 3600 }))
  return {
    ...adapter,
    prepare: (asked, mode, context) => adapter.prepare(asked, mode, { ...context, fetch: token }),
  }
}

async function passThrough(url: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body: '{}' })
  const reader = response.body?.getReader()
  let bytes = 0
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    bytes += read.value.length
  }
  if (bytes < CHUNKS * WORD.length) throw new Error(`only ${bytes} bytes arrived`)
}

async function throughAdapter(adapter: ModelAdapter): Promise<void> {
  let length = 0
  let finished = false
  for await (const batch of streamModel(adapter, request)) {
    for (const event of batch) {
      if (event.type === 'text') length += event.text.length
      else if (event.type === 'finish') finished = true
    }
  }
  if (!finished || length !== CHUNKS * WORD.length) throw new Error(`only ${length} characters`)
}

/** Milliseconds of this process's CPU per stream. */
async function measure(stream: () => Promise<void>): Promise<number> {
  const run = async (count: number): Promise<void> => {
    let left = count
    const worker = async (): Promise<void> => {
      while ((left -= 1) >= 0) await stream()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
  }
  await run(WARM_UP)
  const before = process.cpuUsage()
  await run(STREAMS)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / STREAMS
}

async function main(): Promise<void> {
  const runtime =
    'Deno' in globalThis ? `Deno ${process.versions['deno']}` : `Node ${process.version}`
  const { child, url } = await startUpstream()
  try {
    const openRouter = createOpenRouterAdapter({ apiKey: 'bench', baseUrl: url })
    const vertex = vertexOn(url)
    console.log(`${runtime}: CPU-ms per stream of ${CHUNKS} chunks, ${AT_ONCE} at once`)
    for (const [name, adapter, path] of [
      ['openrouter', openRouter, '/chat/completions'],
      ['vertex-ai', vertex, '/streamGenerateContent'],
    ] as const) {
      const baseline = await measure(() => passThrough(url + path))
      const ours = await measure(() => throughAdapter(adapter))
      const ratio = (ours / baseline).toFixed(2)
      console.log(
        `${name.padEnd(12)} pass-through ${baseline.toFixed(2)}  adapter ${ours.toFixed(2)}  ` +
          `ratio ${ratio}  added ${(ours - baseline).toFixed(2)}`,
      )
    }
  } finally {
    child.kill()
  }
}

await (process.argv[2] === 'upstream' ? serveUpstream() : main())
