import { answerOf } from '../../support/agents/chat-stream.ts'
import { codeIn } from '../answers.ts'
import { noteExecution, receive } from '../receive.ts'
import { callAgents, readBody, waitBefore } from '../talk.ts'
import type { Asked, Conversation, SoakClient, World } from '../world.ts'

let seeds = 0

/** A new request; nothing is sent yet. */
export function newRequest(
  world: World,
  by: SoakClient,
  conversation: Conversation,
  changes: Readonly<Record<string, unknown>> = {},
): Asked {
  const { random, organization } = by
  const seed = (seeds += 1)
  const content = `${organization.marker} asks ${seed}: ${'why '.repeat(random.integer(1, 20))}`
  const isAgain = changes['regenerate'] !== undefined
  const message = isAgain ? null : { id: random.uuid(), content }
  const asked: Asked = {
    seed,
    by,
    conversation,
    body: {
      agent: organization.agent,
      session_id: conversation.id,
      ...(message && { message }),
      params: { seed, max_output_tokens: 200 },
      ...changes,
    },
    // Half of the requests are known by the id of their message alone.
    headers: isAgain || random.chance(0.5) ? { 'idempotency-key': `soak-${seed}` } : {},
    message,
    executionId: null,
    streams: new Set(),
    answers: new Set(),
  }
  conversation.asked.push(asked)
  world.asked.push(asked)
  return asked
}

/** The whole answer, or why there is none, asked for again with the same key until it is known. */
export async function receiveWhole(world: World, asked: Asked): Promise<string> {
  for (let attempt = 0; attempt < 12 && !world.over.aborted; attempt += 1) {
    if (attempt > 0) await waitBefore(world, asked.by, Math.min(250 * 2 ** attempt, 4_000))
    const { body, headers } = asked
    const response = await callAgents(world, asked.by, 'invoke', {
      body: { ...body, stream: false },
      headers,
    })
    if (response === null) continue
    noteExecution(world, asked, response)
    const text = await readBody(world, asked.by, response)
    if (text === null) continue
    if (response.ok) {
      asked.answers.add(text)
      return 'answered'
    }
    const code = codeIn(text)
    if (![429, 503].includes(response.status) && code !== 'session_busy') return code
    if (code === 'circuit_open') return code
  }
  return 'given up'
}

export async function streamed(world: World, client: SoakClient, conversation: Conversation) {
  const { end, text } = await receive(world, newRequest(world, client, conversation))
  return end === 'whole' && answerOf(text) === '' ? 'whole without an answer' : end
}

export async function whole(world: World, client: SoakClient, conversation: Conversation) {
  return receiveWhole(world, newRequest(world, client, conversation))
}

export async function queued(world: World, client: SoakClient, conversation: Conversation) {
  const requests = [0, 1].map(() => newRequest(world, client, conversation, { on_busy: 'queue' }))
  const ends = await Promise.all(requests.map((asked) => receive(world, asked)))
  return ends.map(({ end }) => end).join(', ')
}

/** A double click: the same request twice at once, at both workers. */
export async function twice(world: World, client: SoakClient, conversation: Conversation) {
  const asked = newRequest(world, client, conversation)
  const ends = await Promise.all([receive(world, asked), receive(world, asked)])
  return ends.map(({ end }) => end).join(', ')
}

/** Leaves in the middle of an answer and goes on elsewhere. */
export async function resumed(world: World, client: SoakClient, conversation: Conversation) {
  const asked = newRequest(world, client, conversation)
  const first = await receive(world, asked, { leaveAfter: client.random.integer(80, 900) })
  if (first.end !== 'left') return first.end
  await waitBefore(world, client, client.random.integer(10, 1_500))
  return (await receive(world, asked, { from: first.text })).end
}

/** Leaves and never comes back. */
export async function left(world: World, client: SoakClient, conversation: Conversation) {
  const asked = newRequest(world, client, conversation)
  return (await receive(world, asked, { leaveAfter: client.random.integer(1, 500) })).end
}

/** Follows from a second connection, from the first event on. */
export async function followed(world: World, client: SoakClient, conversation: Conversation) {
  const asked = newRequest(world, client, conversation)
  const first = await receive(world, asked, { leaveAfter: 60 })
  if (asked.executionId === null) return first.end
  const [own, second] = await Promise.all([
    first.end === 'left' ? receive(world, asked, { from: first.text }) : first,
    receive(world, asked, { follows: true }),
  ])
  return `${own.end}, ${second.end}`
}

export async function cancelled(world: World, client: SoakClient, conversation: Conversation) {
  const asked = newRequest(world, client, conversation)
  const first = await receive(world, asked, { leaveAfter: client.random.integer(1, 400) })
  if (first.end !== 'left' || asked.executionId === null) return first.end
  const response = await callAgents(world, client, `executions/${asked.executionId}/cancel`)
  if (response !== null) await readBody(world, client, response)
  return (await receive(world, asked, { from: first.text, follows: true })).end
}

/** The answer of the last message of the conversation again. */
export async function regenerated(world: World, client: SoakClient, conversation: Conversation) {
  const last = conversation.asked.findLast(
    ({ message, executionId }) => message !== null && executionId !== null,
  )
  if (!last?.message) return 'nothing to regenerate'
  const asked = newRequest(world, client, conversation, { regenerate: last.message.id })
  return (await receive(world, asked)).end
}

/** A request that was made before, success or failure, gets what it got. */
export async function repeated(world: World, client: SoakClient, conversation: Conversation) {
  const known = conversation.asked.filter(({ executionId }) => executionId !== null)
  if (known.length === 0) return 'nothing to repeat'
  const asked = client.random.pick(known)
  if (client.random.chance(0.3)) return receiveWhole(world, asked)
  return (await receive(world, asked)).end
}
