import { setTimeout as pause } from 'node:timers/promises'
import { type Client, openClient } from '../support/people/supabase-client.ts'
import type { Answers } from './answers.ts'
import type { SoakClient, World } from './world.ts'

/** A client of a device, whose every answer is counted and inspected. */
export function openDevice(
  stack: { url: string; publishableKey: string },
  answers: Answers,
  marker: () => string,
): Client {
  return openClient(stack.url, stack.publishableKey, async (target, init) => {
    const url = target instanceof Request ? target.url : String(target)
    const part = url.includes('/auth/v1/') ? 'auth' : 'rest'
    try {
      const response = await fetch(target, init)
      const body = await response.clone().text()
      answers.count(part, response, body)
      answers.inspect(marker(), body, new URL(url).pathname)
      return response
    } catch (error) {
      // The gateway is never killed: it owes every request an answer.
      answers.countLoss(part, `no answer: ${nameOf(error)}`, false)
      throw error
    }
  })
}

/** Node.js names the reason of a failed fetch in its cause. */
export function nameOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined
  return cause?.code ?? (error instanceof Error ? error.name : String(error))
}

/** The access token of a device; empty when it is signed out. */
export async function tokenOf(client: SoakClient, device = 0): Promise<string> {
  const { data } = await (client.devices[device] ?? client.devices[0]).auth.getSession()
  return data.session?.access_token ?? ''
}

export interface AgentsCall {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** 0 is the worker behind the gateway, 1 the other one; without it either. */
  readonly worker?: 0 | 1
  readonly device?: 0 | 1
}

/** A request to the function agents; null when the connection came to nothing. */
export async function callAgents(
  world: World,
  client: SoakClient,
  target: string,
  { method = 'POST', headers, body, worker, device }: AgentsCall = {},
): Promise<Response | null> {
  const { stack, answers } = world
  const second = (worker ?? client.random.integer(0, 1)) === 1 ? world.worker.address() : undefined
  try {
    return await fetch(`${second ?? `${stack.url}/functions/v1`}/agents/${target}`, {
      method,
      headers: {
        apikey: stack.publishableKey,
        authorization: `Bearer ${await tokenOf(client, device ?? client.random.integer(0, 1))}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([world.over, AbortSignal.timeout(150_000)]),
    })
  } catch (error) {
    // A worker that is killed takes its connections along; only patience may not be what ends.
    answers.countLoss('agents', `no answer: ${nameOf(error)}`, nameOf(error) !== 'TimeoutError')
    return null
  }
}

/** Reads a whole answer; null when it was cut. */
export async function readBody(
  world: World,
  client: SoakClient,
  response: Response,
): Promise<string | null> {
  try {
    const body = await response.text()
    world.answers.count('agents', response, body)
    world.answers.inspect(client.organization.marker, body, 'agents')
    return body
  } catch (error) {
    world.answers.countLoss('agents', `cut answer: ${nameOf(error)}`, true)
    return null
  }
}

/** Waits as a client does before it tries again; at once when the soak ends. */
export async function waitBefore(world: World, client: SoakClient, milliseconds: number) {
  const time = milliseconds * (0.5 + client.random.next())
  await pause(time, undefined, { signal: world.stopping }).catch(() => {
    // The soak ends: the client goes on without waiting.
  })
}
