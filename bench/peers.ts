import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A model server that answers at once, in a process of its own. */
export interface ModelPeer {
  url: string
  key: string
  close: () => Promise<void>
}

/** A local stack whose functions call that model server, in a process of its own. */
export interface StackPeer {
  url: string
  publishableKey: string
  databaseUrl: string
  close: () => Promise<void>
}

/** A local stack with a worker of the function `agents` of its own, and what to look into it with. */
export interface AgentsPeer extends StackPeer {
  secretKey: string
  superuserUrl: string
  /** The worker, called without the local gateway. */
  agentsUrl: string
  agentsPid: number
  /** The process that serves REST. */
  restPid: number
  /** The environment of the stack's functions, for more workers. */
  functionEnv: Record<string, string>
}

/** Each in its own process, so that the measuring process does not pay for their work. */
export async function startModelPeer(): Promise<ModelPeer> {
  return startPeer<ModelPeer>('model-peer.ts', {})
}

export async function startStackPeer(env: Record<string, string>): Promise<StackPeer> {
  return startPeer<StackPeer>('stack-peer.ts', env)
}

export async function startAgentsPeer(env: Record<string, string>): Promise<AgentsPeer> {
  return startPeer<AgentsPeer>('agents-peer.ts', env)
}

/** What answers for REST and the database where they are not what is measured. */
export async function startRestStandIn(): Promise<{ url: string; close: () => Promise<void> }> {
  return startPeer<{ url: string; close: () => Promise<void> }>('rest-stand-in.ts', {})
}

/** A server that answers as fast as the question asks. */
export async function startPacedServer(): Promise<{ url: string; close: () => Promise<void> }> {
  return startPeer<{ url: string; close: () => Promise<void> }>('paced-server.ts', {})
}

/** A server that answers everything with the same stream of 200 chunks: its URL. */
export async function startChunkServer(): Promise<{ url: string; close: () => void }> {
  const file = fileURLToPath(new URL('chunk-server.ts', import.meta.url))
  const child = fork(file, {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  if (child.stdout === null) throw new Error('the server has no output')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { url: `http://127.0.0.1:${line}`, close: () => child.kill() }
}

async function startPeer<Peer extends { close: () => Promise<void> }>(
  file: string,
  env: Record<string, string>,
): Promise<Peer> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, ...env },
  })
  const values = await firstMessage(child, file)
  return { ...(values as Omit<Peer, 'close'>), close: () => end(child) } as Peer
}

function firstMessage(child: ChildProcess, file: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('error', reject)
    child.once('exit', () => {
      reject(new Error(`${file} ended before it was ready`))
    })
  })
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => {
      resolve()
    })
    child.disconnect()
  })
}
