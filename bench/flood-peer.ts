import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Flood {
  url: string
  init: { method?: string; headers: Record<string, string>; body?: string }
  /** How many requests are open at once. */
  atOnce: number
}

/**
 * Does `work` during a flood that another process makes, and gives its result beside how often the
 * flood was answered with which status.
 */
export async function duringFlood<Result>(
  flood: Flood,
  work: () => Promise<Result>,
): Promise<{ result: Result; statuses: Record<string, number> }> {
  const child = fork(fileURLToPath(new URL('flood.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, FLOOD: JSON.stringify(flood) },
  })
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', () => reject(new Error('the flood ended')))
  })
  try {
    await Promise.race([once(child, 'message'), ended])
    const result = await Promise.race([work(), ended])
    child.send('stop')
    const [statuses] = (await Promise.race([once(child, 'message'), ended])) as [
      Record<string, number>,
    ]
    return { result, statuses }
  } finally {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}
