import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Stack } from '../../dev/stack/stack-options.ts'

/** What the soak knows of its stack. */
export interface OwnStack extends Omit<Stack, 'close'> {
  /** The process of the gateway, REST and Auth. */
  readonly pid: number
  /** Ends it in order. */
  close(): Promise<void>
}

/** Starts the stack in a process of its own; `log` gets every line it writes. */
export async function startOwnStack(
  directory: string,
  env: Record<string, string>,
  log: (line: string) => void,
): Promise<OwnStack> {
  const program = fileURLToPath(new URL('stack-process.ts', import.meta.url))
  const child = fork(program, [directory, JSON.stringify(env)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', log)
  }
  const exited = once(child, 'exit') as Promise<[number | null]>
  void exited.then(([code]) => {
    if (code !== 0) log(`Unhandled: the process of the stack ended with ${code}`)
  })
  const first = await Promise.race([once(child, 'message'), exited.then(() => null)])
  const { pid } = child
  if (first === null || pid === undefined) throw new Error('the stack did not start')
  return {
    ...(first[0] as Omit<Stack, 'close'>),
    pid,
    async close() {
      if (child.connected) child.send('close')
      const late = setTimeout(() => child.kill('SIGKILL'), 60_000)
      await exited
      clearTimeout(late)
    },
  }
}
