import { rmSync } from 'node:fs'
import { inject, type ProvidedContext } from 'vitest'
import type { TestProject } from 'vitest/node'
import { root } from '../../../dev/check/command.ts'
import { logFile } from '../../../dev/postgres/postgres.ts'
import type { Stack } from '../../../dev/stack/stack-options.ts'
import { startStack } from '../../../dev/stack/stack.ts'
import { buildPage } from '../../../dev/web/build-page.ts'
import { makeDirectory } from './directory.ts'

/** What tests know of a running stack. */
export type TestStack = Omit<Stack, 'close'> & { postgresLog: string }

/** What tests of the database alone know: of a stack, or of a project as the platform makes it. */
export type TestDatabase = Pick<TestStack, 'databaseUrl' | 'superuserUrl'>

declare module 'vitest' {
  interface ProvidedContext {
    /** One for each worker. */
    stacks: TestStack[]
    databases: TestDatabase[]
  }
}

/** The worker's stack: no other file uses it at the same time. */
export const useStack = (): TestStack => useOwn('stacks')

/** The worker's database: that of its stack, or a hosted one (hosted-databases.ts). */
export const useDatabase = (): TestDatabase => useOwn('databases')

function useOwn<Key extends 'stacks' | 'databases'>(key: Key): ProvidedContext[Key][number] {
  const worker = Number(process.env.VITEST_POOL_ID)
  const own = inject(key)[worker - 1]
  if (own === undefined) throw new Error(`worker ${worker} has none of the ${key}`)
  return own
}

interface Running {
  readonly stack: Stack
  readonly directory: string
}

interface Shared {
  readonly running: Promise<Running[]>
  users: number
}

declare global {
  // Each project has its own copy of this module, but all of them run in one process.
  var colloquyTestStacks: Shared | undefined
}

/**
 * Global setup: starts a stack for each worker, in directories of their own, for all the projects of
 * a run.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (globalThis.colloquyTestStacks ??= {
    running: startAll(workersOf(project)),
    users: 0,
  })
  shared.users++
  const running = await shared.running
  // Its tests start stacks of their own: a first build of the page would count as time of a start.
  if (project.name === 'e2e') await buildPage(root, () => undefined)
  const stacks = running.map(forWorkers)
  project.provide('stacks', stacks)
  project.provide('databases', stacks)
  return async () => {
    if (--shared.users > 0) return
    globalThis.colloquyTestStacks = undefined
    await Promise.all(running.map(end))
  }
}

/** How many files may run at once. */
export function workersOf({ config, vitest }: TestProject): number {
  const { maxWorkers, watch } = config
  // A person who watches may ask for more files later.
  return watch ? maxWorkers : Math.min(maxWorkers, vitest.state.getPaths().length)
}

function forWorkers({ stack, directory }: Running): TestStack {
  // Provided values are copied to the workers, which a function cannot be.
  const { close: _, ...values } = stack
  return { ...values, postgresLog: logFile(directory) }
}

async function end({ stack, directory }: Running): Promise<void> {
  await stack.close()
  rmSync(directory, { recursive: true, force: true })
}

/** All of them, or none. */
async function startAll(count: number): Promise<Running[]> {
  const starts = await Promise.allSettled(Array.from({ length: count }, start))
  const running = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failure = starts.find((one) => one.status === 'rejected')
  if (failure === undefined) return running
  await Promise.all(running.map(end))
  throw failure.reason
}

async function start(): Promise<Running> {
  const directory = makeDirectory()
  const lines: string[] = []
  try {
    const stack = await startStack({
      port: 0,
      directory,
      durable: false,
      // Tests call it, and count what it did.
      cleanupIntervalMs: 0,
      log: (line) => lines.push(line),
    })
    return { stack, directory }
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    // Only now is what it had to say of interest.
    throw new Error([`The stack did not start: ${String(error)}`, ...lines].join('\n'))
  }
}
