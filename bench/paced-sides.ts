import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findDeno } from '../dev/functions/deno-binary.ts'
import { startFunction } from '../dev/functions/function-process.ts'
import { startTiedProcess, stopProcess } from '../dev/process/tied-process.ts'
import { type Pace, questionOf } from './paced-streams.ts'
import type { AgentsPeer } from './peers.ts'
import type { Gateway } from './portkey.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A process to measure, and how it is asked for a stream. */
export interface Side {
  readonly pid: number
  readonly ask: (pace: Pace, caller: number) => Promise<Response>
  readonly close: () => Promise<void>
}

function post(url: string, headers: Record<string, string>, body: object): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'accept-encoding': 'identity', ...headers },
    body: JSON.stringify(body),
  })
}

const chatOf = (pace: Pace) => ({
  model: 'openai/gpt-4',
  stream: true,
  messages: [{ role: 'user', content: questionOf(pace) }],
})

/** A new worker of the function `agents` of a checkout, on a stack that runs. */
export async function startAgents(
  peer: AgentsPeer,
  tokens: readonly string[],
  checkout = root,
): Promise<Side> {
  const worker = startFunction({
    name: 'agents',
    directory: path.join(checkout, 'supabase/functions'),
    env: peer.functionEnv,
    watch: false,
    log: (line) => console.error(line),
  })
  await worker.ready
  const ask = (pace: Pace, caller: number) => {
    const authorization = `Bearer ${tokens[caller % tokens.length] ?? ''}`
    const invocation = { agent: 'droid', model: 'gpt-4', message: { content: questionOf(pace) } }
    const headers = { apikey: peer.publishableKey, authorization }
    return post(`${worker.address() ?? ''}/agents/invoke`, headers, invocation)
  }
  return { pid: worker.pid() ?? 0, ask, close: () => worker.close() }
}

export function portkeySide(gateway: Gateway, upstream: string): Side {
  const { url, pid } = gateway
  const headers = {
    authorization: 'Bearer key',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': upstream,
  }
  const ask = (pace: Pace) => post(`${url}/v1/chat/completions`, headers, chatOf(pace))
  return { pid, ask, close: () => gateway.close() }
}

/** A pass-through, or the AI SDK, under the same Deno. */
export async function startGateway(which: 'bare' | 'ai-sdk', upstream: string): Promise<Side> {
  const script = path.join(root, 'bench/paced-gateway.ts')
  const args = ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual', script]
  const child = startTiedProcess(findDeno(), [...args, which, upstream], {
    env: { ...process.env, DENO_NO_UPDATE_CHECK: '1', NODE_ENV: 'production' },
    cwd: root,
    signal: 'SIGINT',
  })
  if (child.stdout === null) throw new Error('the gateway has no output')
  child.stderr?.pipe(process.stderr)
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const url = line.replace(/^Listening on /, '')
  const ask = (pace: Pace) => post(`${url}/chat/completions`, {}, chatOf(pace))
  return { pid: child.pid ?? 0, ask, close: () => stopProcess(child, 'SIGINT', 2_000) }
}
