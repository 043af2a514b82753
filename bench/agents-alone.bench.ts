import { randomBytes, randomUUID } from 'node:crypto'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { SignJWT } from 'jose'
import { startFunction } from '../dev/functions/function-process.ts'
import { startChunkServer, startRestStandIn } from './peers.ts'
import { portkeyVersion, startPortkey } from './portkey.ts'
import { type Measured, measuredLoad } from './streams.ts'
import { median, printComparisons } from './support.ts'
import { targetsOf } from './targets.ts'

// The function `agents` without its database, against Portkey's gateway, both under Deno, before the
// same upstream in one run. A stand-in answers for REST after 5 ms, as a database on a machine of its
// own would, so that what is compared is the two processes.
const atOnce = 16
const streams = 160
const warmUp = 3
const rounds = 7

const upstream = await startChunkServer()
const rest = await startRestStandIn()
const secret = randomBytes(32)
const agents = startFunction({
  name: 'agents',
  directory: path.join(fileURLToPath(new URL('..', import.meta.url)), 'supabase/functions'),
  env: {
    SUPABASE_URL: rest.url,
    SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_bench"}',
    SUPABASE_SECRET_KEYS: '{"default":"sb_secret_bench"}',
    SUPABASE_JWKS: JSON.stringify({
      keys: [{ kty: 'oct', k: secret.toString('base64url'), alg: 'HS256', kid: 'bench' }],
    }),
    OPENROUTER_API_KEY: 'key',
    OPENROUTER_BASE_URL: upstream.url,
    TOKEN_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
  },
  watch: false,
  log: (line) => console.error(line),
})
const portkey = await startPortkey()
try {
  await agents.ready
  const claims = { role: 'authenticated', session_id: randomUUID(), organization_id: 1 }
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', kid: 'bench' })
    .setSubject(randomUUID())
    .setIssuer(`${rest.url}/auth/v1`)
    .setAudience('authenticated')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(secret)
  const peer = { agentsUrl: agents.address() ?? '', publishableKey: 'sb_publishable_bench' }
  const targets = targetsOf(upstream.url, peer, [token], portkey.url)
  const run = {
    agents: (total: number, many: number) =>
      measuredLoad(agents.pid() ?? 0, targets.agents, total, many),
    portkey: (total: number, many: number) =>
      measuredLoad(portkey.pid, targets.portkey, total, many),
  }
  const results = { agents: [] as Measured[], portkey: [] as Measured[] }
  const alone = { agents: [] as number[], portkey: [] as number[] }
  // The first rounds warm up and are not counted: until then a stream costs up to twice as much.
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of ['agents', 'portkey'] as const) {
      const load = await run[name](streams, atOnce)
      const { first } = await run[name](10, 1)
      if (round < 0) continue
      results[name].push(load)
      alone[name].push(first)
    }
  }
  const of = (name: 'agents' | 'portkey', figure: keyof Measured) =>
    median(results[name].map((result) => result[figure]))
  const compare = (name: string, figure: keyof Measured) => ({
    name,
    value: of('agents', figure),
    baseline: of('portkey', figure),
  })
  console.log(`agents without a database against Portkey ${portkeyVersion}, both under Deno`)
  printComparisons([
    {
      name: 'first chunk, 1 at once (ms)',
      value: median(alone.agents),
      baseline: median(alone.portkey),
    },
    compare(`first chunk, ${atOnce} at once (ms)`, 'first'),
    compare('CPU of the gateway per stream (ms)', 'cpu'),
    compare(`streams per second, ${atOnce} at once`, 'rate'),
  ])
} finally {
  await agents.close()
  await portkey.close()
  await rest.close()
  upstream.close()
}
