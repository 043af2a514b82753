import { defineConfig } from 'vitest/config'

/** One stack for the projects that need one: see tests/support/stack/stack.ts. */
const onStack = {
  globalSetup: ['tests/support/stack/stack.ts'],
  testTimeout: 20_000,
  hookTimeout: 30_000,
}

export default defineConfig({
  test: {
    reporters: ['default', './tests/support/stack/summary-reporter.ts'],
    projects: [
      { test: { name: 'unit', include: ['tests/unit/**/*.test.ts'], testTimeout: 15_000 } },
      { test: { name: 'database', include: ['tests/database/**/*.test.ts'], ...onStack } },
      { test: { name: 'functions', include: ['tests/functions/**/*.test.ts'], ...onStack } },
      { test: { name: 'clients', include: ['tests/clients/**/*.test.ts'], ...onStack } },
      { test: { name: 'e2e', include: ['tests/e2e/**/*.test.ts'], ...onStack } },
    ],
  },
})
