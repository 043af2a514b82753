import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeEnvFile } from './process/env-file.ts'
import { externalDatabase, markEmbedded } from './process/external-database.ts'
import { readPort } from './process/read-port.ts'
import { StartError } from './process/start-error.ts'
import { startStack } from './stack/stack.ts'
import { welcome } from './stack/welcome.ts'
import { buildPage } from './web/build-page.ts'

/** Longer than any part takes to end in order. */
const STOP_TIMEOUT_MS = 25_000

/** `npm start`: runs the stack until a signal ends it. */
async function main(): Promise<void> {
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const began = performance.now()
  const dotenv = join(root, '.env')
  // Variables that are set already win over the file.
  if (existsSync(dotenv)) process.loadEnvFile(dotenv)
  const { COLLOQUY_DIRECTORY: directory, COLLOQUY_DURABLE, DATABASE_URL, PORT } = process.env
  const databaseUrl = externalDatabase(DATABASE_URL)
  const port = readPort(PORT)

  console.log('Starting PostgreSQL, REST, Auth, the functions and a model server …')
  const starting = startStack({
    port,
    ...(directory ? { directory } : {}),
    ...(databaseUrl ? { databaseUrl } : {}),
    env: definedOnly(process.env),
    durable: COLLOQUY_DURABLE !== 'false',
    watch: true,
    buildPage: () => buildPage(root, (line) => console.log(line)),
    log: (line) => console.log(line),
  })
  let stopping = false
  const stop = () => {
    if (stopping) return
    stopping = true
    console.log('\nStopping.')
    // A part that does not end in time is tied to this process and ends with it.
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref()
    starting.then((stack) => stack.close()).then(() => process.exit(0), fail)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // A second Ctrl-C does not wait.
    process.on(signal, () => (stopping ? process.exit(0) : stop()))
  }
  // Where the output went to is gone, as in `npm start | head`: an error without a listener ends Node.js
  // at once, and leaves the lock.
  for (const output of [process.stdout, process.stderr]) output.on('error', stop)
  if (process.env.npm_lifecycle_event !== undefined) onParentGone(stop)

  const stack = await starting
  if (stopping) return
  const envFile = join(directory ?? root, '.env.local')
  writeEnvFile(envFile, {
    SUPABASE_URL: stack.url,
    SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
    SUPABASE_SECRET_KEY: stack.secretKey,
    DATABASE_URL: databaseUrl ?? markEmbedded(stack.databaseUrl),
  })
  const seconds = (performance.now() - began) / 1000
  console.log(welcome(stack, seconds, relative('', envFile), process.env))
}

/**
 * npm runs a script through a shell and sends its signals to that shell, which may end without
 * passing them on.
 */
function onParentGone(callback: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    callback()
  }, 250)
  timer.unref()
}

function definedOnly(env: Record<string, string | undefined>): Record<string, string> {
  const pairs = Object.entries(env)
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined))
}

function fail(error: unknown): never {
  // A failure that the developer can correct is one line; anything else is a defect and keeps its
  // trace.
  console.error(error instanceof StartError ? `npm start: ${error.message}` : error)
  process.exit(1)
}

main().catch(fail)
