import { defineConfig } from 'vitest/config'

/** A project's name is its folder in tests/. */
const project = (
  name: string,
  options: {
    include?: string[]
    exclude?: string[]
    globalSetup?: string[]
    isolate?: boolean
  } = {},
) => ({
  extends: true as const,
  test: { name, include: [`tests/${name}/**/*.test.ts`], ...options },
})

/** A stack for each worker, for the projects that need one: see tests/support/stack/stack.ts. */
const onStack = { globalSetup: ['tests/support/stack/stack.ts'] }

const asksMutants = process.env.COLLOQUY_MUTANTS === 'true'

/** Tests of the database that need more of a stack than its database, or servers of their own. */
const needsStack = [
  'tests/database/{hosted,isolation}/**/*.test.ts',
  // What asks only PostgreSQL's planner.
  'tests/database/plans.test.ts',
  // REST and Auth.
  'tests/database/{requests,request-time}.test.ts',
  'tests/database/executions/execution-events.test.ts',
  // The role of Storage, which the platform's postgres may not take.
  'tests/database/chat/{files,removed-files}.test.ts',
]

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
      // Each test of the database runs once: on one as the hosted platform makes it, with the matrix by the
      // people without whom a permission or a refusal would not be tried, or on a stack. A mutation run weakens
      // the database of a stack, and asks all of them there.
      project('hosted', {
        include: ['tests/{database,hosted}/**/*.test.ts'],
        exclude: needsStack,
        globalSetup: ['tests/support/stack/hosted-databases.ts'],
      }),
      project('database', { ...onStack, ...(asksMutants ? {} : { include: needsStack }) }),
      project('functions', onStack),
      project('clients', onStack),
      // Its files start and kill what they find below their process.
      project('e2e', { ...onStack, isolate: true }),
    ],
  },
})
