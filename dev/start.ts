import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { writeEnvFile } from './env-file.ts'
import { startStack } from './stack.ts'
import type { Stack } from './stack-options.ts'
import { StartError } from './start-error.ts'
import { readPort } from './read-port.ts'
import { welcome } from './welcome.ts'

const CLEANUP_INTERVAL_MS = 15 * 60_000

/** `npm start`: runs the stack until a signal ends it. */
async function main(): Promise<void> {
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const began = performance.now()
  let stack: Stack | undefined
  let stopping = false
  const stop = (code: number) => {
    // A second Ctrl-C does not wait; the tied processes end by themselves.
    if (stopping) process.exit(code)
    stopping = true
    if (stack === undefined) return
    console.log('\nStopping.')
    stack.close().then(
      () => process.exit(code),
      (error: unknown) => fail(error),
    )
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(0))

  const dotenv = join(root, '.env')
  // Variables that are set already win over the file.
  if (existsSync(dotenv)) process.loadEnvFile(dotenv)
  const { COLLOQUY_DIRECTORY: directory, DATABASE_URL: databaseUrl, PORT } = process.env
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  )
  console.log('Starting PostgreSQL, REST, Auth, the functions and a model server …')
  stack = await startStack({
    port: readPort(PORT),
    ...(directory ? { directory } : {}),
    ...(databaseUrl ? { databaseUrl } : {}),
    env,
    watch: true,
    cleanupIntervalMs: CLEANUP_INTERVAL_MS,
    log: (line) => console.log(line),
    onFailure: (reason) => {
      console.error(reason)
      stop(1)
    },
  })
  if (stopping) {
    await stack.close()
    process.exit(0)
  }
  const envFile = join(directory ?? root, '.env.local')
  writeEnvFile(envFile, {
    SUPABASE_URL: stack.url,
    SUPABASE_PUBLISHABLE_KEY: stack.publishableKey,
    SUPABASE_SECRET_KEY: stack.secretKey,
    DATABASE_URL: stack.databaseUrl,
  })
  const seconds = (performance.now() - began) / 1000
  console.log(welcome(stack, seconds, relative('', envFile), process.env))
}

function fail(error: unknown): never {
  // What the developer can put right is one line; anything else is a defect and keeps its trace.
  console.error(error instanceof StartError ? `npm start: ${error.message}` : error)
  process.exit(1)
}

main().catch(fail)
