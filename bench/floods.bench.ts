import { startStackPeer } from './peers.ts'
import { signUpWithOrganization } from './sign-up.ts'
import { printComparisons, type Comparison } from './support.ts'

// What floods by one member cost another organization: the 95th percentile of its reads of 50
// messages through the local gateway, during each flood against just before it. FLOOD=22 for how
// many requests the member keeps open.
const atOnce = Number(process.env.FLOOD ?? 22)
const reads = 200
const mostSeconds = 20

const stack = await startStackPeer({})
try {
  const [victim, member] = [
    await signUpWithOrganization(stack),
    await signUpWithOrganization(stack),
  ]
  const send = (token: string, path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(stack.url + path, {
      ...init,
      headers: {
        apikey: stack.publishableKey,
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        prefer: 'return=representation',
      },
    })
  const post = async (token: string, path: string, body: unknown): Promise<Response> => {
    const answer = await send(token, path, { method: 'POST', body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const made = await post(victim, '/rest/v1/chat_sessions', { title: 'Quiet' })
  const [session] = (await made.json()) as { id: string }[]
  const messages = Array.from({ length: 500 }, () => ({
    session_id: session?.id,
    role: 'user',
    content: 'word '.repeat(20),
  }))
  await post(victim, '/rest/v1/chat_messages', messages)
  // A text on which a short pattern takes seconds.
  const { sub } = JSON.parse(Buffer.from(member.split('.')[1] ?? '', 'base64url').toString()) as {
    sub: string
  }
  const content = `${'a'.repeat(3000)}b${'a'.repeat(3001)}`
  await post(member, '/rest/v1/system_prompts', { scope: 'user', user_id: sub, content })
  const pattern = encodeURIComponent(String.raw`^(a*)(a*)b\1\2$`)

  const read = `/rest/v1/chat_messages?session_id=eq.${session?.id ?? ''}&order=created_at.desc&limit=50`
  const percentile95 = async (): Promise<number> => {
    const times: number[] = []
    const end = performance.now() + mostSeconds * 1000
    while (times.length < reads && performance.now() < end) {
      const start = performance.now()
      const answer = await send(victim, read)
      await answer.text()
      if (!answer.ok) throw new Error(`the other organization is answered ${answer.status}`)
      times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    return times[Math.floor(times.length * 0.95)] ?? NaN
  }

  const begun = (): Promise<Response> =>
    send(member, '/rest/v1/rpc/begin_execution', {
      method: 'POST',
      body: JSON.stringify({
        message: { content: 'hello' },
        agent: 'droid',
        providers: ['openrouter'],
      }),
    })
  const execution = ((await (await begun()).json()) as { execution_id?: string }).execution_id ?? ''
  const floods: Record<string, (signal: AbortSignal) => Promise<Response>> = {
    reads: (signal) => send(member, '/rest/v1/chat_sessions?select=id&limit=50', { signal }),
    'slow filters': (signal) =>
      send(member, `/rest/v1/system_prompts?select=id&content=match.${pattern}`, { signal }),
    followers: (signal) =>
      send(member, `/functions/v1/agents/executions/${execution}/stream`, { signal }),
    'begun executions': begun,
  }

  await percentile95()
  const comparisons: Comparison[] = []
  for (const [name, ask] of Object.entries(floods)) {
    const baseline = await percentile95()
    const stop = new AbortController()
    const statuses: Record<string, number> = {}
    const askAgain = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        try {
          const answer = await ask(stop.signal)
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
          await answer.text()
        } catch (error) {
          if (!stop.signal.aborted) throw error
        }
      }
    }
    const flood = Promise.all(Array.from({ length: atOnce }, askAgain))
    const value = await Promise.race([percentile95(), flood.then(() => NaN)])
    stop.abort()
    await flood
    comparisons.push({ name: `${name}: p95 of a read, ms`, value, baseline })
    console.log(name, statuses)
  }
  printComparisons(comparisons)
} finally {
  await stack.close()
}
