import { defineConfig } from 'vitest/config'

/** A project's name is its folder in tests/. */
const project = (name: string, options: { globalSetup?: string[]; isolate?: boolean } = {}) => ({
  extends: true as const,
  test: { name, include: [`tests/${name}/**/*.test.ts`], ...options },
})

/** A stack for each worker, for the projects that need one: see tests/support/stack/stack.ts. */
const onStack = { globalSetup: ['tests/support/stack/stack.ts'] }

export default defineConfig({
  test: {
    reporters: ['default', './tests/support/stack/summary-reporter.ts'],
    // No file replaces a module or changes what another file sees, so that a worker runs one file
    // after the other. A process for each file takes longer than most of the files.
    isolate: false,
    // On two processors too: many files wait for timers, or for a database that works on one.
    maxWorkers: 2,
    // What is waited for comes later on a slow machine. A wait ends just before its test would.
    expect: { poll: { timeout: 25_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      project('unit'),
      project('database', onStack),
      project('functions', onStack),
      project('clients', onStack),
      // Its files start and kill what they find below their process.
      project('e2e', { ...onStack, isolate: true }),
    ],
  },
})
