import { eventsOf, lastIdOf } from '../support/agents/chat-stream.ts'
import { codeIn } from './answers.ts'
import { callAgents, nameOf, readBody, waitBefore } from './talk.ts'
import type { Asked, SoakClient, World } from './world.ts'

/** How an attempt to receive an answer ended. */
export type Received = 'whole' | 'left' | 'refused' | 'given up'

/** Refusals after which the same request is worth another try. */
const passing = [
  'database_unavailable',
  'function_unavailable',
  'too_many_executions',
  'session_busy',
  'auth_unavailable',
]
const tries = 12

export interface ReceiveOptions {
  /** Leaves after so many characters. */
  readonly leaveAfter?: number
  /** What was received before. */
  readonly from?: string
  /** By the address of the stream, never by the request. */
  readonly follows?: boolean
}

/**
 * Receives a stream the way a client with patience does: asks again with the same key while
 * nothing has come, and after that goes on from the last event, on any device at any worker.
 */
export async function receive(
  world: World,
  asked: Asked,
  options: ReceiveOptions = {},
): Promise<{ end: Received; text: string }> {
  let text = options.from ?? ''
  for (let attempt = 0; attempt < tries; attempt += 1) {
    if (attempt > 0) await waitBefore(world, asked.by, Math.min(250 * 2 ** attempt, 4_000))
    if (world.over.aborted) break
    const response = await request(world, asked, text, options.follows === true)
    if (response === null) continue
    noteExecution(world, asked, response)
    if (response.status === 204) {
      await readBody(world, asked.by, response)
      break
    }
    if (!response.ok) {
      const body = await readBody(world, asked.by, response)
      if (body === null || passing.includes(codeIn(body))) continue
      return { end: 'refused', text }
    }
    const piece = await readStream(world, asked.by, response, options.leaveAfter)
    text += eventsOf(piece.text)
    if (text.endsWith('data: [DONE]\n\n')) {
      asked.streams.add(text)
      return { end: 'whole', text }
    }
    if (piece.left) return { end: 'left', text }
  }
  return { end: 'given up', text }
}

function request(world: World, asked: Asked, text: string, follows: boolean) {
  if (text === '' && !follows) {
    return callAgents(world, asked.by, 'invoke', { body: asked.body, headers: asked.headers })
  }
  return callAgents(world, asked.by, `executions/${asked.executionId}/stream`, {
    method: 'GET',
    headers: text === '' ? {} : { 'last-event-id': String(lastIdOf(text)) },
  })
}

/** From the first answer of a success on, the execution exists. */
export function noteExecution(world: World, asked: Asked, { headers }: Response): void {
  const id = headers.get('x-execution-id')
  if (id === null) return
  if (asked.executionId !== null && asked.executionId !== id) {
    world.answers.undocumented.push(`one key, two executions: ${asked.executionId} and ${id}`)
  }
  asked.executionId = id
  world.executionsOf.set(id, asked)
}

async function readStream(
  world: World,
  client: SoakClient,
  response: Response,
  leaveAfter = Infinity,
): Promise<{ text: string; left: boolean }> {
  const decoder = new TextDecoder()
  let text = ''
  let left = false
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true })
      left = text.length >= leaveAfter
      // Leaving the loop cancels the body: the connection is closed.
      if (left) break
    }
    const whole = text.endsWith('data: [DONE]\n\n')
    if (!left && !whole) world.answers.countLoss('agents', 'cut stream: end without [DONE]', true)
    else world.answers.count('agents', response, '')
  } catch (error) {
    world.answers.countLoss('agents', `cut stream: ${nameOf(error)}`, true)
  }
  world.answers.inspect(client.organization.marker, text, 'a stream')
  return { text, left }
}
