import type { ModelUsage } from '../models/types.ts'

/** One call of the model: what it used, as far as the provider says, and how much it was sent. */
export interface StepUsage {
  usage: ModelUsage | null
  /** Characters of its request; a quarter of them stands in for tokens that nobody counted. */
  readonly length: number
}

export interface TotalUsage {
  readonly usage: ModelUsage | null
  /** Only where some of several calls were not counted: then the total is an estimate. */
  readonly estimatedInputTokens?: number
}

/** What several calls of the model used together. A sum with an unknown part is unknown. */
export function totalUsage(steps: readonly StepUsage[]): TotalUsage {
  const counted = steps.flatMap(({ usage }) => (usage ? [usage] : []))
  if (counted.length === steps.length) return { usage: counted.reduce(add, null) }
  if (steps.length === 1) return { usage: null }
  const estimatedInputTokens = steps.reduce(
    (sum, { usage, length }) => sum + (usage?.inputTokens ?? Math.ceil(length / 4)),
    0,
  )
  return { usage: null, estimatedInputTokens }
}

function add(total: ModelUsage | null, step: ModelUsage): ModelUsage {
  if (!total) return step
  const names = Object.keys(step) as (keyof ModelUsage)[]
  const sums = names.map((name) => [name, sum(total[name], step[name])] as const)
  return Object.fromEntries(sums) as Record<keyof ModelUsage, number | null>
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b
}
