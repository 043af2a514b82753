/**
 * CPU per streamed answer of 200 chunks, 16 at once, read from a socket: our adapters against
 * the baseline `pass-through`, which reads the same bytes the cheapest way known and looks at
 * none of them. `plain reader` is that baseline with the reader that `for await` uses.
 *
 *   npx tsx bench/model-parser.ts
 *   npx deno run -A bench/model-parser.ts
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ByteReader } from '../supabase/functions/_shared/models/byte-reader.ts'
import type { ModelAdapter } from '../supabase/functions/_shared/models/model-adapter.ts'
import type { ModelRequest } from '../supabase/functions/_shared/models/model-protocol.ts'
import { createOpenRouterAdapter } from '../supabase/functions/_shared/models/openai-compatible.ts'
import { streamModel } from '../supabase/functions/_shared/models/stream-model.ts'
import { createVertexAdapter } from '../supabase/functions/_shared/models/vertex.ts'
import { CHUNKS, WORD } from './chunk-frames.ts'

const AT_ONCE = 16
const STREAMS = 480
const WARM_UP = 96

async function startUpstream(): Promise<{ child: ChildProcess; url: string }> {
  const self = fileURLToPath(new URL('chunk-server.ts', import.meta.url))
  const args = 'Deno' in globalThis ? ['run', '-A', self] : ['--import', 'tsx', self]
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const child = spawn(process.execPath, args, { stdio: [...stdio] })
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

async function passThrough(url: string, plain: boolean): Promise<void> {
  const { body } = await fetch(url, { method: 'POST', body: '{}' })
  if (body === null) throw new Error('no body')
  let bytes = 0
  if (plain) for await (const chunk of body) bytes += chunk.length
  else {
    const reader = new ByteReader(body)
    for (let read = await reader.read(); read !== null; read = await reader.read()) {
      bytes += read.length
    }
  }
  if (bytes < CHUNKS * WORD.length) throw new Error(`only ${bytes} bytes arrived`)
}

async function throughAdapter(adapter: ModelAdapter): Promise<void> {
  let length = 0
  let finished = false
  await streamModel(adapter, request, (batch) => {
    for (const event of batch) {
      if (event.type === 'text') length += event.text.length
      else if (event.type === 'finish') finished = true
    }
  })
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
    console.log(`${runtime}: CPU-ms per stream of ${CHUNKS} chunks, ${AT_ONCE} at once (ratio)`)
    for (const [name, adapter, path] of [
      ['openrouter', openRouter, '/chat/completions'],
      ['vertex-ai', vertex, '/streamGenerateContent'],
    ] as const) {
      const plain = await measure(() => passThrough(url + path, true))
      const baseline = await measure(() => passThrough(url + path, false))
      const ours = await measure(() => throughAdapter(adapter))
      const figures = Object.entries({
        'pass-through': baseline,
        adapter: ours,
        'plain reader': plain,
      })
      const shown = figures.map(
        ([label, value]) => `${label} ${value.toFixed(2)} (${(value / baseline).toFixed(2)})`,
      )
      console.log(`${name.padEnd(10)}  ${shown.join('  ')}`)
    }
  } finally {
    child.kill()
  }
}

await main()
