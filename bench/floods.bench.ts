import { connect } from '../dev/postgres/database.ts'
import { duringFlood, type Flood } from './flood-peer.ts'
import { startModelPeer, startStackPeer } from './peers.ts'
import { signUpWithOrganization } from './sign-up.ts'
import { type Comparison, median, printComparisons } from './support.ts'

// What floods by one member cost another organization: the 95th percentile of its reads of 50
// messages through the local gateway, during each flood against just before and just after it.
// AT_ONCE=22 for how many requests the member keeps open, ROUNDS=5, READS=150 for each percentile.
const atOnce = Number(process.env.AT_ONCE ?? 22)
const rounds = Number(process.env.ROUNDS ?? 5)
const reads = Number(process.env.READS ?? 150)
const mostSeconds = 10

const model = await startModelPeer()
const stack = await startStackPeer({
  OPENROUTER_API_KEY: model.key,
  OPENROUTER_BASE_URL: model.url,
})
try {
  const victim = await signUpWithOrganization(stack)
  const member = await signUpWithOrganization(stack)
  const requestOf = (token: string, path: string, body?: unknown): Omit<Flood, 'atOnce'> => ({
    url: stack.url + path,
    init: {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: {
        apikey: stack.publishableKey,
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        prefer: 'return=representation',
      },
    },
  })
  const send = async (token: string, path: string, body?: unknown): Promise<Response> => {
    const { url, init } = requestOf(token, path, body)
    const answer = await fetch(url, init)
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }

  const made = await send(victim, '/rest/v1/chat_sessions', { title: 'Quiet' })
  const [session] = (await made.json()) as [{ id: string }]
  const sql = connect(stack.databaseUrl)
  await sql`insert into public.chat_messages
      (organization_id, session_id, user_id, role, content, created_at)
    select organization_id, id, user_id, 'user', repeat('word ', 20), now() - n * interval '1 minute'
    from public.chat_sessions, generate_series(1, 500) n where id = ${session.id}`
  await sql.end()
  const read = `/rest/v1/chat_messages?session_id=eq.${session.id}&order=created_at.desc&limit=50`
  const percentile95 = async (): Promise<number> => {
    const times: number[] = []
    const end = performance.now() + mostSeconds * 1000
    while (times.length < reads && performance.now() < end) {
      const start = performance.now()
      await (await send(victim, read)).text()
      times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    return times[Math.floor(times.length * 0.95)] ?? NaN
  }

  // A text on which a short pattern takes seconds.
  const { sub } = JSON.parse(Buffer.from(member.split('.')[1] ?? '', 'base64url').toString()) as {
    sub: string
  }
  const content = `${'a'.repeat(3000)}b${'a'.repeat(3001)}`
  await send(member, '/rest/v1/system_prompts', { scope: 'user', user_id: sub, content })
  const pattern = encodeURIComponent(String.raw`^(a*)(a*)b\1\2$`)
  const invocation = { agent: 'droid', message: { content: 'hello' } }
  const answered = await send(member, '/functions/v1/agents/invoke', invocation)
  await answered.text()
  const execution = answered.headers.get('x-execution-id') ?? ''

  const floods: Record<string, Omit<Flood, 'atOnce'>> = {
    reads: requestOf(member, '/rest/v1/chat_sessions?select=id&limit=50'),
    'slow filters': requestOf(member, `/rest/v1/system_prompts?content=match.${pattern}`),
    followers: requestOf(member, `/functions/v1/agents/executions/${execution}/stream`),
    'begun executions': requestOf(member, '/rest/v1/rpc/begin_execution', {
      request: invocation,
      providers: ['openrouter'],
    }),
  }
  const only = process.env.FLOODS?.split(',') ?? Object.keys(floods)

  await percentile95()
  const comparisons: Comparison[] = []
  for (const [name, flood] of Object.entries(floods)) {
    if (!only.includes(name)) continue
    const [quiet, flooded]: [number[], number[]] = [[await percentile95()], []]
    const all: Record<string, number> = {}
    for (let round = 0; round < rounds; round++) {
      const { result, statuses } = await duringFlood({ ...flood, atOnce }, percentile95)
      flooded.push(result)
      for (const [status, count] of Object.entries(statuses)) {
        all[status] = (all[status] ?? 0) + count
      }
      quiet.push(await percentile95())
    }
    console.log(`${name}: answered`, all)
    const [value, baseline] = [median(flooded), median(quiet)]
    comparisons.push({ name: `${name}: p95 of another's read, ms`, value, baseline })
  }
  printComparisons(comparisons)
} finally {
  await Promise.all([stack.close(), model.close()])
}
