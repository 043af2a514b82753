import { loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseShare } from './agents-database.ts'
import { portkeySide, type Side, startAgents, startGateway } from './paced-sides.ts'
import { type Delays, type Pace, readPaced, summaryOf } from './paced-streams.ts'
import { startAgentsPeer, startPacedServer } from './peers.ts'
import { startPortkey } from './portkey.ts'
import { signUpWithOrganization } from './sign-up.ts'
import { median } from './support.ts'
import { type Use, useOf, useSince } from './thread-cpu.ts'

// Streams as models send them, on a real stack: what a second of one costs the function, PostgreSQL
// and REST, beside a bare pass-through, Portkey and the AI SDK, all under the same Deno in one run.
// BENCH_BASELINE=<another checkout> adds its function, on the same stack. BENCH_ROUNDS: 5 without it.
// BENCH_ONLY=50x1,sparse: these cases alone.
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const baseline = process.env['BENCH_BASELINE']
const only = process.env['BENCH_ONLY']?.split(',')
const isWanted = (name: string) => only?.includes(name) ?? true
const seconds = 10
const sparseCalls = 10
const cases = [
  { streams: 1, perSecond: 50 },
  { streams: 1, perSecond: 4 },
  { streams: 4, perSecond: 50 },
  { streams: 4, perSecond: 4 },
  { streams: 16, perSecond: 50 },
  { streams: 16, perSecond: 4 },
].filter(({ streams, perSecond }) => isWanted(`${perSecond}x${streams}`))

interface Measured extends Use {
  readonly postgres: number
  readonly rest: number
  readonly delays: readonly Delays[]
  readonly load: number
}

const upstream = await startPacedServer()
const peer = await startAgentsPeer({
  OPENROUTER_API_KEY: 'key',
  OPENROUTER_BASE_URL: upstream.url,
})
const database = new DatabaseShare(peer)
const sides = new Map<string, Side>()
try {
  const tokens: string[] = []
  for (let n = 0; n < 16; n++) tokens.push(await signUpWithOrganization(peer))
  await database.prepare()
  sides.set('bare', await startGateway('bare', upstream.url))
  sides.set('portkey', portkeySide(await startPortkey(), upstream.url))
  sides.set('ai-sdk', await startGateway('ai-sdk', upstream.url))
  sides.set('agents', await startAgents(peer, tokens))
  if (baseline !== undefined) sides.set('before', await startAgents(peer, tokens, baseline))

  for (const side of sides.values()) await measured(side, { perSecond: 50, chunks: 100 }, 2, 0.2)
  for (const { streams, perSecond } of cases) {
    const pace = { perSecond, chunks: perSecond * (seconds + 2) }
    const results = new Map<string, Measured[]>()
    for (let round = 0; round < rounds; round++) {
      for (const [name, side] of sides) {
        const all = results.get(name) ?? []
        all.push(await measured(side, pace, streams, 1))
        results.set(name, all)
      }
    }
    print(`${perSecond} a second, ${streams} at once`, results)
  }
  if (isWanted('sparse')) await printSparse(tokens)
} finally {
  for (const side of sides.values()) await side.close()
  await database.close()
  await peer.close()
  await upstream.close()
}

/** CPU per stream and second, after the first moments, in which a call begins. */
async function measured(side: Side, pace: Pace, streams: number, lead: number): Promise<Measured> {
  const read = Promise.all(
    Array.from({ length: streams }, async (_, caller) =>
      readPaced(await side.ask(pace, caller), pace),
    ),
  )
  const length = pace.chunks / pace.perSecond - 2 * lead
  await pause(lead * 1_000)
  const before = shares(side.pid)
  await pause(length * 1_000)
  const after = shares(side.pid)
  const per = (value: number) => value / streams / length
  const use = useSince(before, after)
  return {
    main: per(use.main),
    all: per(use.all),
    wakes: per(use.wakes),
    postgres: per(after.postgres - before.postgres),
    rest: per(after.rest - before.rest),
    delays: await read,
    load: loadavg()[0] ?? 0,
  }
}

function shares(pid: number) {
  return { ...useOf(pid), postgres: database.cpu().postgres, rest: useOf(peer.restPid).all }
}

function print(title: string, results: ReadonlyMap<string, readonly Measured[]>): void {
  console.log(`\n${title}: CPU-ms per stream and second, median (minimum, maximum)`)
  const header = 'main thread|process|PostgreSQL|REST|wake-ups|first, later, latest text (ms)|load'
  console.log(['side'.padEnd(9), ...header.split('|')].join(' | '))
  for (const [name, all] of results) {
    const of = (read: (measured: Measured) => number) => {
      const values = all.map(read)
      const [low, high] = [Math.min(...values), Math.max(...values)]
      return `${median(values).toFixed(1)} (${low.toFixed(1)}, ${high.toFixed(1)})`
    }
    const delays = summaryOf(all.flatMap((each) => each.delays))
    const ours = name === 'agents' || name === 'before'
    const figures = [
      of(({ main }) => main),
      of(({ all }) => all),
      ours ? of(({ postgres }) => postgres) : '-',
      ours ? of(({ rest }) => rest) : '-',
      of(({ wakes }) => wakes),
      [delays.first, delays.later, delays.latest].map((ms) => ms.toFixed(0)).join(', '),
      of(({ load }) => load),
    ]
    console.log([name.padEnd(9), ...figures].join(' | '))
  }
}

/** Short calls of a new worker, one at a time, which is what a quiet project's workers do. */
async function printSparse(tokens: readonly string[]): Promise<void> {
  const pace = { perSecond: 4, chunks: 4 }
  const starts: Record<string, () => Promise<Side>> = {
    portkey: async () => portkeySide(await startPortkey(), upstream.url),
    agents: () => startAgents(peer, tokens),
    ...(baseline !== undefined && { before: () => startAgents(peer, tokens, baseline) }),
  }
  const results = new Map<string, { boot: number; first: number; next: number }[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of Object.entries(starts)) {
      const side = await start()
      const used = [useOf(side.pid).all]
      for (let call = 0; call < sparseCalls; call++) {
        await readPaced(await side.ask(pace, call), pace)
        used.push(useOf(side.pid).all)
      }
      await side.close()
      const [boot = 0, first = 0] = used
      const next = ((used.at(-1) ?? 0) - first) / (sparseCalls - 1)
      results.set(name, [...(results.get(name) ?? []), { boot, first: first - boot, next }])
    }
  }
  console.log(
    '\na new worker, CPU-ms of the process: until it listens, its first call, each later one',
  )
  for (const [name, all] of results) {
    const of = (figure: 'boot' | 'first' | 'next') =>
      median(all.map((result) => result[figure])).toFixed(1)
    console.log([name.padEnd(9), of('boot'), of('first'), of('next')].join(' | '))
  }
}
