import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeScratchDirectory } from '../dev/check/scratch-directory.ts'
import { startFunction } from '../dev/functions/function-process.ts'
import { median } from './support.ts'
import { useOf } from './thread-cpu.ts'

// What it costs to start each function, beside an empty one: until health is answered, and until the
// first request is that needs the routes (here it is refused, for want of a token). With
// BENCH_BASELINE=<another checkout> its functions too. BENCH_ROUNDS: 9 without it.
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 9)
const root = fileURLToPath(new URL('..', import.meta.url))
const baseline = process.env['BENCH_BASELINE']

const scratch = await makeScratchDirectory()
mkdirSync(path.join(scratch.path, 'empty'))
writeFileSync(
  path.join(scratch.path, 'empty/index.ts'),
  'export default { fetch: () => new Response("{}") }\n',
)
const env = {
  SUPABASE_URL: 'http://127.0.0.1:1',
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_bench"}',
  SUPABASE_SECRET_KEYS: '{"default":"sb_secret_bench","session_cleanup":"sb_secret_cleanup"}',
  SUPABASE_JWKS: '{"keys":[]}',
  OPENROUTER_API_KEY: 'key',
  OAUTH_REDIRECT_ALLOW_LIST: 'http://localhost:3000',
  TOKEN_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
}
const paths: Record<string, string> = {
  agents: '/agents/invoke',
  oauth: '/oauth/connections',
  'session-cleanup': '/session-cleanup',
}

interface Start {
  readonly health: number
  readonly healthCpu: number
  readonly first: number
  readonly firstCpu: number
}

async function start(name: string, directory: string): Promise<Start> {
  const began = performance.now()
  const worker = startFunction({ name, directory, env, watch: false, log: () => undefined })
  try {
    await worker.ready
    const url = worker.address() ?? ''
    await (await fetch(`${url}/${name}/health`)).text()
    const health = performance.now() - began
    const healthCpu = useOf(worker.pid() ?? 0).all
    const again = performance.now()
    const headers = { authorization: 'Bearer a.b.c' }
    await (await fetch(url + (paths[name] ?? '/'), { method: 'POST', headers })).text()
    const first = health + performance.now() - again
    return { health, healthCpu, first, firstCpu: useOf(worker.pid() ?? 0).all }
  } finally {
    await worker.close()
  }
}

const here = path.join(root, 'supabase/functions')
const sides = new Map<string, () => Promise<Start>>([['empty', () => start('empty', scratch.path)]])
for (const name of Object.keys(paths)) {
  sides.set(name, () => start(name, here))
  if (baseline === undefined) continue
  sides.set(`${name}, before`, () => start(name, path.join(baseline, 'supabase/functions')))
}
const results = new Map<string, Start[]>()
// The first round fills the caches of modules and is not counted.
for (let round = 0; round <= rounds; round++) {
  for (const [name, run] of sides) {
    const result = await run()
    if (round > 0) results.set(name, [...(results.get(name) ?? []), result])
  }
}
const of = (name: string, figure: keyof Start) =>
  median((results.get(name) ?? []).map((result) => result[figure]))
console.log(
  `medians of ${rounds}, load ${loadavg()[0]?.toFixed(1)}; in brackets: times an empty one`,
)
console.log(
  'function | health (ms) | CPU until then (ms) | first request (ms) | CPU until then (ms)',
)
for (const name of sides.keys()) {
  const figures = (['health', 'healthCpu', 'first', 'firstCpu'] as const).map(
    (figure) =>
      `${of(name, figure).toFixed(0)} (${(of(name, figure) / of('empty', figure)).toFixed(2)})`,
  )
  console.log([name, ...figures].join(' | '))
}
scratch.remove()
