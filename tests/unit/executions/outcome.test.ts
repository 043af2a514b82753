import { expect, it } from 'vitest'
import { totalUsage } from '../../../supabase/functions/_shared/executions/outcome.ts'

const usage = (inputTokens: number | null, outputTokens = 5, costUsd: number | null = null) => ({
  inputTokens,
  outputTokens,
  totalTokens: null,
  cachedInputTokens: 1,
  cacheWriteTokens: null,
  reasoningTokens: null,
  toolInputTokens: null,
  costUsd,
})
const step = (used: ReturnType<typeof usage> | null, length = 400) => ({ usage: used, length })

it('sums what the provider counted, and knows no sum with an unknown part', () => {
  expect(totalUsage([step(usage(10, 5, 0.5)), step(usage(20, 5, 0.25))])).toEqual({
    usage: { ...usage(30, 10, 0.75), cachedInputTokens: 2 },
  })
  expect(totalUsage([step(usage(10, 5, 0.5)), step(usage(20))]).usage?.costUsd).toBeNull()
})

it('estimates a call that was not counted beside one that was', () => {
  expect(totalUsage([step(usage(10)), step(null, 400)])).toEqual({
    usage: null,
    estimatedInputTokens: 110,
  })
})

it('leaves the estimate of a single call to the database, and knows nothing of none', () => {
  expect(totalUsage([step(null)])).toEqual({ usage: null })
  expect(totalUsage([])).toEqual({ usage: null })
})
