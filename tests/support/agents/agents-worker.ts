import path from 'node:path'
import { root } from '../../../dev/check/command.ts'
import { startFunction } from '../../../dev/functions/function-process.ts'
import { accessToken, type Person } from '../people/people.ts'
import { useStack } from '../stack/stack.ts'

/** The function `agents` in a process of its own, on the database of the stack. */
export interface AgentsWorker {
  /** What it wrote to its log. */
  readonly logged: string[]
  /** A request to `/agents/<path>` as a signed-in person. */
  request(person: Person, path: string, init?: AgentsRequest): Promise<Response>
  /** `POST /agents/invoke`. */
  invoke(person: Person, body: unknown, init?: AgentsRequest): Promise<Response>
  /** Ends it as a platform does that is out of patience: SIGKILL. */
  kill(): void
  /** Ends it. An error that no code of the worker handled is thrown here. */
  close(): Promise<void>
}

export interface AgentsRequest {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
  readonly signal?: AbortSignal
}

/**
 * @param changes variables that differ from the stack's; undefined removes one
 * @param functions the folder of `agents/index.ts`
 */
export async function startAgentsWorker(
  changes: Record<string, string | undefined> = {},
  functions = 'supabase/functions',
): Promise<AgentsWorker> {
  const all = Object.entries({ ...useStack().functionEnv, ...changes })
  const env = Object.fromEntries(
    all.filter((entry): entry is [string, string] => Boolean(entry[1])),
  )
  const logged: string[] = []
  const worker = startFunction({
    name: 'agents',
    directory: path.join(root, functions),
    env,
    watch: false,
    log: (line) => logged.push(line),
  })
  await worker.ready
  const request = async (person: Person, target: string, init: AgentsRequest = {}) => {
    const { body, headers, ...rest } = init
    return fetch(`${worker.address()}/agents/${target}`, {
      ...rest,
      headers: { authorization: `Bearer ${await accessToken(person)}`, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }
  return {
    logged,
    request,
    invoke: (person, body, init) => request(person, 'invoke', { method: 'POST', ...init, body }),
    kill() {
      const pid = worker.pid()
      if (pid === undefined) throw new Error('the worker does not run')
      process.kill(pid, 'SIGKILL')
    },
    async close() {
      await worker.close()
      const defects = logged.filter((line) => line.includes('"unhandled_error"'))
      if (defects.length > 0) throw new Error(`nothing handled: ${defects.join('\n')}`)
    },
  }
}
