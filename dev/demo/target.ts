import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { startStack } from '../stack/stack.ts'
import { DemoStopped } from './report.ts'

/** The stack the demo walks through. */
export interface DemoTarget {
  url: string
  publishableKey: string
  /** The output of the demo's own stack, printed after a failure. */
  output: string[]
  /** Stops the stack when the demo started it. */
  close(): Promise<void>
}

type Variables = Record<string, string | undefined>

/**
 * The project that SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY name; else the stack of `npm start`
 * when it answers; else one of the demo's own, in a temporary directory.
 *
 * @param root the checkout
 * @throws DemoStopped when the named project does not answer
 * @throws StartError when its own stack does not start
 */
export async function findTarget(
  root: string,
  env: Variables,
  say: (line: string) => void,
): Promise<DemoTarget> {
  const named = addressOf(env)
  const running = readEnvLocal(join(env['COLLOQUY_DIRECTORY'] || root, '.env.local'))
  // A shell that has read .env.local names the stack of `npm start`, which need not run.
  if (named !== undefined && named.publishableKey !== running?.publishableKey) {
    const problem = await findProblem(named)
    if (problem !== undefined) {
      throw new DemoStopped(
        `SUPABASE_URL is set to ${named.url}, but ${problem}. Correct it, or unset it to use a local stack.`,
      )
    }
    say(`Using ${named.url}, which SUPABASE_URL names.`)
    return { ...named, output: [], close: () => Promise.resolve() }
  }
  if (running !== undefined && (await findProblem(running)) === undefined) {
    say(`Using the stack that runs at ${running.url}.`)
    return { ...running, output: [], close: () => Promise.resolve() }
  }
  say('No stack is running, so the demo starts one in a temporary directory …')
  return startOwn(env, say)
}

type Address = Pick<DemoTarget, 'url' | 'publishableKey'>

function addressOf(variables: Variables): Address | undefined {
  const { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: publishableKey } = variables
  return url && publishableKey ? { url: url.replace(/\/$/, ''), publishableKey } : undefined
}

function readEnvLocal(path: string): Address | undefined {
  return existsSync(path) ? addressOf(parseEnv(readFileSync(path, 'utf8'))) : undefined
}

/** Undefined when Auth answers there and knows the key. */
async function findProblem({ url, publishableKey }: Address): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/auth/v1/settings`, {
      headers: { apikey: publishableKey },
      signal: AbortSignal.timeout(5_000),
    })
    await response.arrayBuffer()
    return response.ok ? undefined : `it answers with status ${response.status} to its key`
  } catch (error) {
    return `it cannot be reached (${error instanceof Error ? error.message : String(error)})`
  }
}

async function startOwn(env: Variables, say: (line: string) => void): Promise<DemoTarget> {
  const began = performance.now()
  const directory = mkdtempSync(join(tmpdir(), 'colloquy-demo-'))
  // PostgreSQL runs as a user of its own when we are root, and has to get in.
  chmodSync(directory, 0o755)
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    const defined = Object.entries(env).filter((pair): pair is [string, string] => !!pair[1])
    const output: string[] = []
    let log = say
    const stack = await startStack({
      port: 0,
      directory,
      env: Object.fromEntries(defined),
      durable: false,
      log: (line) => log(line),
    })
    log = (line) => void output.push(line)
    say(`It runs at ${stack.url} after ${((performance.now() - began) / 1000).toFixed(1)} s.`)
    return {
      url: stack.url,
      publishableKey: stack.publishableKey,
      output,
      async close() {
        await stack.close()
        remove()
        say('Stopped the stack and deleted its directory.')
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}
