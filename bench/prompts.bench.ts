import { loadavg } from 'node:os'
import { DatabaseShare } from './agents-database.ts'
import { startAgentsPeer, startChunkServer } from './peers.ts'
import { portkeyVersion, startPortkey } from './portkey.ts'
import { signUpWithOrganization } from './sign-up.ts'
import { loadOf, type Measured, measuredLoad, type Target } from './streams.ts'
import { median, printComparisons } from './support.ts'
import { inTurns, targetsOf } from './targets.ts'

// Large prompts: the first chunk and the CPU of the function against Portkey's gateway, both under Deno
// on one upstream in one run, at 50,000 and at 100,000 tokens of prompt. Both get the same request in
// OpenAI's form. The function also stores each prompt; what PostgreSQL and REST need for that is printed apart. BENCH_ROUNDS: 5 without it.
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const warmUp = 2
const calls = 8
const callers = 4
/** A token of English is about four characters. */
const prompts = [50_000, 100_000].map((tokens) => ({
  tokens,
  text: 'lorem '.repeat((tokens * 4) / 6),
}))

const upstream = await startChunkServer()
const portkey = await startPortkey()
const peer = await startAgentsPeer({
  OPENROUTER_API_KEY: 'key',
  OPENROUTER_BASE_URL: upstream.url,
})
const database = new DatabaseShare(peer)
try {
  const tokens: string[] = []
  for (let n = 0; n < callers; n++) tokens.push(await signUpWithOrganization(peer))
  await database.prepare()
  console.log(
    `agents/invoke against @portkey-ai/gateway ${portkeyVersion}; medians of ${rounds} rounds of ${calls} streams, load ${String(loadavg()[0]?.toFixed(1))}`,
  )
  for (const { tokens: size, text } of prompts) {
    const { direct, portkey: passed } = targetsOf(upstream.url, peer, tokens, portkey.url, text)
    const ask = inTurns(tokens.map((token) => () => complete(token, text)))
    const targets = { direct, portkey: passed, agents: { ...passed, ask } }
    for (const atOnce of [1, callers]) await compare(size, atOnce, targets)
  }
} finally {
  await database.close()
  await peer.close()
  await portkey.close()
  upstream.close()
}

function complete(token: string, content: string): Promise<Response> {
  return fetch(`${peer.agentsUrl}/agents/v1/chat/completions`, {
    method: 'POST',
    headers: {
      apikey: peer.publishableKey,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'accept-encoding': 'identity',
    },
    body: JSON.stringify({
      model: 'droid/gpt-4',
      stream: true,
      messages: [{ role: 'user', content }],
    }),
  })
}

async function compare(
  size: number,
  atOnce: number,
  targets: Record<'direct' | 'agents' | 'portkey', Target>,
): Promise<void> {
  const results = { agents: [] as Measured[], portkey: [] as Measured[], direct: [] as number[] }
  const shares = { postgres: [] as number[], rest: [] as number[] }
  for (let round = -warmUp; round < rounds; round++) {
    const direct = await loadOf(targets.direct, calls, atOnce)
    const before = database.cpu()
    const agents = await measuredLoad(peer.agentsPid, targets.agents, calls, atOnce)
    const after = database.cpu()
    const gateway = await measuredLoad(portkey.pid, targets.portkey, calls, atOnce)
    if (round < 0) continue
    results.agents.push(agents)
    results.portkey.push(gateway)
    results.direct.push(direct.first)
    shares.postgres.push((after.postgres - before.postgres) / calls)
    shares.rest.push((after.rest - before.rest) / calls)
  }
  const of = (side: 'agents' | 'portkey', figure: 'first' | 'cpu') =>
    median(results[side].map((result) => result[figure]))
  console.log(`\n${size} tokens of prompt, ${atOnce} at once`)
  printComparisons([
    { name: 'first chunk (ms)', value: of('agents', 'first'), baseline: of('portkey', 'first') },
    { name: 'CPU per stream (ms)', value: of('agents', 'cpu'), baseline: of('portkey', 'cpu') },
    {
      name: 'first chunk against the upstream itself (ms)',
      value: of('agents', 'first'),
      baseline: median(results.direct),
    },
    {
      name: 'CPU with PostgreSQL and REST (ms)',
      value: of('agents', 'cpu') + median(shares.postgres) + median(shares.rest),
      baseline: of('portkey', 'cpu'),
    },
  ])
}
