import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { root } from '../../dev/check/command.ts'
import { type FunctionProcess, startFunction } from '../../dev/functions/function-process.ts'
import type { Cleanup } from '../../dev/stack/cleanup.ts'
import { type Network, startNetwork } from './network.ts'
import { type OwnStack, startOwnStack } from './own-stack.ts'
import { type FaultyProvider, startFaultyProvider } from './provider.ts'
import type { Random } from './random.ts'
import { type SoakTools, startSoakTools } from './tools.ts'

/** What the clients work with, and what is killed. */
export interface Parts {
  readonly provider: FaultyProvider
  readonly network: Network
  readonly tools: SoakTools
  readonly stack: OwnStack
  /** The second worker of the function agents; the first one is behind the gateway. */
  readonly worker: FunctionProcess
}

/** Starts every part; `lines` gets what they log. */
export async function startParts(
  random: Random,
  directory: string,
  lines: string[],
  cleanup: Cleanup,
): Promise<Parts> {
  const file = createWriteStream(path.join(directory, 'soak.log'))
  cleanup.add(() => void file.end())
  const log = (line: string) => {
    lines.push(line)
    file.write(`${new Date().toISOString()} ${line}\n`)
  }
  const provider = await startFaultyProvider(random.fork())
  cleanup.add(() => provider.close())
  const network = await startNetwork(provider.url)
  cleanup.add(() => network.close())
  const tools = await startSoakTools()
  cleanup.add(() => tools.close())
  const variables = { OPENROUTER_API_KEY: 'sk-or-v1-soak', OPENROUTER_BASE_URL: network.url }
  const stack = await startOwnStack(directory, variables, log)
  cleanup.add(() => stack.close())
  const worker = startFunction({
    name: 'agents',
    directory: path.join(root, 'supabase/functions'),
    env: stack.functionEnv,
    watch: false,
    log,
  })
  cleanup.add(() => worker.close())
  await worker.ready
  return { provider, network, tools, stack, worker }
}
