import { DatabaseShare } from './agents-database.ts'
import { CHUNKS } from './chunk-frames.ts'
import { startAgentsPeer, startChunkServer } from './peers.ts'
import { portkeyVersion, startPortkey } from './portkey.ts'
import { signUpWithOrganization } from './sign-up.ts'
import {
  type Load,
  loadOf,
  type Measured,
  measuredLoad,
  type Target,
  timeToFirstChunk,
} from './streams.ts'
import { targetsOf } from './targets.ts'
import { measure, median, printComparisons } from './support.ts'

// POST /agents/invoke against Portkey's gateway, both under Deno, before the same local upstream in
// one run, and against the upstream itself. Portkey keeps nothing; we begin and finish an execution
// and store its stream, so what the database costs is printed apart. Callers are of as many
// organizations as there are streams at once; how one organization alone fares is a line of its own.
const atOnce = 16
const streams = 160
const warmUp = 3
const rounds = 5

const upstream = await startChunkServer()
const portkey = await startPortkey()
const peer = await startAgentsPeer({
  OPENROUTER_API_KEY: 'key',
  OPENROUTER_BASE_URL: upstream.url,
})
const database = new DatabaseShare(peer)
try {
  const tokens: string[] = []
  for (let n = 0; n < atOnce; n++) tokens.push(await signUpWithOrganization(peer))
  await database.prepare()
  const targets = targetsOf(upstream.url, peer, tokens, portkey.url)
  const results = {
    direct: [] as Load[],
    agents: [] as Measured[],
    one: [] as Load[],
    portkey: [] as Measured[],
  }
  const shares = { postgres: [] as number[], rest: [] as number[] }
  const inside = new Map<string, { calls: number; ms: number }>()
  const withCpu = (pid: number, target: Target) => measuredLoad(pid, target, streams, atOnce)
  // The first rounds warm up and are not counted: until then a stream costs up to twice as much.
  for (let round = -warmUp; round < rounds; round++) {
    const direct = await loadOf(targets.direct, streams, atOnce)
    const cpu = database.cpu()
    const before = await database.functions()
    const agents = await withCpu(peer.agentsPid, targets.agents)
    const share = database.cpu()
    const after = await database.functions()
    const gateway = await withCpu(portkey.pid, targets.portkey)
    const one = await loadOf(targets.one, streams / 2, atOnce)
    if (round < 0) continue
    results.direct.push(direct)
    results.agents.push(agents)
    results.portkey.push(gateway)
    results.one.push(one)
    shares.postgres.push((share.postgres - cpu.postgres) / streams)
    shares.rest.push((share.rest - cpu.rest) / streams)
    for (const [name, { calls, ms }] of after) {
      const earlier = before.get(name) ?? { calls: 0, ms: 0 }
      const sum = inside.get(name) ?? { calls: 0, ms: 0 }
      inside.set(name, {
        calls: sum.calls + calls - earlier.calls,
        ms: sum.ms + ms - earlier.ms,
      })
    }
  }
  // Last, when every connection of REST has its plans.
  const alone = await measure(20, {
    direct: () => timeToFirstChunk(targets.direct),
    agents: () => timeToFirstChunk(targets.agents),
    portkey: () => timeToFirstChunk(targets.portkey),
  })
  const trips = await database.roundTrips(tokens[0] ?? '', 40)

  const of = (name: keyof typeof results, figure: keyof Load) =>
    median(results[name].map((result) => result[figure]))
  const cpuPerStream = (name: 'agents' | 'portkey') => median(results[name].map(({ cpu }) => cpu))
  const first16 = (name: keyof typeof results) => of(name, 'first')
  console.log(
    `streams of ${CHUNKS} chunks; medians of ${rounds} rounds in turns, ${streams} streams each, ${atOnce} at once`,
  )
  console.log(`\nagents/invoke against @portkey-ai/gateway ${portkeyVersion}, both under Deno`)
  printComparisons([
    { name: 'first chunk, 1 at once (ms)', value: alone.agents, baseline: alone.portkey },
    {
      name: `first chunk, ${atOnce} at once (ms)`,
      value: first16('agents'),
      baseline: first16('portkey'),
    },
    {
      name: 'CPU of the gateway per stream (ms)',
      value: cpuPerStream('agents'),
      baseline: cpuPerStream('portkey'),
    },
    {
      name: `streams per second, ${atOnce} at once`,
      value: of('agents', 'rate'),
      baseline: of('portkey', 'rate'),
    },
  ])
  console.log('\nagainst the upstream itself')
  for (const name of ['agents', 'portkey'] as const) {
    printComparisons([
      { name: `${name}: first chunk, 1 at once (ms)`, value: alone[name], baseline: alone.direct },
      {
        name: `${name}: first chunk, ${atOnce} at once (ms)`,
        value: first16(name),
        baseline: first16('direct'),
      },
      {
        name: `${name}: streams per second`,
        value: of(name, 'rate'),
        baseline: of('direct', 'rate'),
      },
    ])
  }
  printComparisons([
    {
      name: `agents, one organization: first chunk, ${atOnce} at once (ms)`,
      value: first16('one'),
      baseline: first16('agents'),
    },
    {
      name: 'agents, one organization: streams per second',
      value: of('one', 'rate'),
      baseline: of('agents', 'rate'),
    },
  ])
  console.log('\nthe database, which Portkey has none of')
  const line = (name: string, value: number) => console.log(`${name.padEnd(50)}${value.toFixed(2)}`)
  line('CPU of PostgreSQL per stream (ms)', median(shares.postgres))
  line('CPU of REST per stream (ms)', median(shares.rest))
  for (const [name, { calls, ms }] of inside) {
    line(`${name}: calls per stream`, calls / (rounds * streams))
    if (calls > 0) line(`${name}: ms inside, ${atOnce} at once`, ms / calls)
  }
  line('begin_execution through REST, 1 at once (ms)', trips.begin)
  line('finish_execution through REST, 1 at once (ms)', trips.finish)
} finally {
  await database.close()
  await peer.close()
  await portkey.close()
  upstream.close()
}
