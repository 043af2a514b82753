import { rmSync } from 'node:fs'
import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'
import { logFile } from '../../../dev/postgres/postgres.ts'
import type { Stack } from '../../../dev/stack/stack-options.ts'
import { startStack } from '../../../dev/stack/stack.ts'
import { makeDirectory } from './directory.ts'

/** What tests know of the running stack. */
export type TestStack = Omit<Stack, 'close'> & { postgresLog: string }

declare module 'vitest' {
  interface ProvidedContext {
    stack: TestStack
  }
}

/** The stack that the run's global setup started. */
export function useStack(): TestStack {
  return inject('stack')
}

interface Shared {
  stack: Promise<Stack>
  users: number
  directory: string
}

declare global {
  // Each project has its own copy of this module, but all of them run in one process.
  var colloquyTestStack: Shared | undefined
}

/** Global setup: starts one stack, in a directory of its own, for all the projects of a run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (globalThis.colloquyTestStack ??= start())
  shared.users++
  project.provide('stack', forWorkers(await shared.stack, shared.directory))
  return async () => {
    if (--shared.users > 0) return
    globalThis.colloquyTestStack = undefined
    await (await shared.stack).close()
    rmSync(shared.directory, { recursive: true, force: true })
  }
}

function forWorkers(stack: Stack, directory: string): TestStack {
  // Provided values are copied to the workers, which a function cannot be.
  const { close: _, ...values } = stack
  return { ...values, postgresLog: logFile(directory) }
}

function start(): Shared {
  const directory = makeDirectory()
  const lines: string[] = []
  const stack = startStack({
    port: 0,
    directory,
    durable: false,
    // Tests call it, and count what it did.
    cleanupIntervalMs: 0,
    log: (line) => lines.push(line),
  }).catch((error: unknown) => {
    rmSync(directory, { recursive: true, force: true })
    // Only now is what it had to say of interest.
    throw new Error([`The stack did not start: ${String(error)}`, ...lines].join('\n'))
  })
  return { stack, users: 0, directory }
}
