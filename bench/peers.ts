import { type ChildProcess, fork } from 'node:child_process'
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
  close: () => Promise<void>
}

/** Each in its own process, so that the measuring process does not pay for their work. */
export async function startModelPeer(): Promise<ModelPeer> {
  return startPeer<ModelPeer>('model-peer.ts', {})
}

export async function startStackPeer(env: Record<string, string>): Promise<StackPeer> {
  return startPeer<StackPeer>('stack-peer.ts', env)
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
