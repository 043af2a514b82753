import type { ModelUsage } from './model-protocol.ts'

type Added = Pick<ModelUsage, 'inputTokens' | 'outputTokens' | 'totalTokens' | 'isEstimated'>

/** What a provider reports; null: it does not say. */
export interface Counts {
  readonly input: number | null
  readonly output: number | null
  readonly total: number | null
  readonly cached: number | null
  readonly reasoning: number | null
}

/**
 * The counts as the truth or as an upper bound of it: a part that is larger than its whole is added to it,
 * and what no reading explains is counted as output and marked.
 */
export function addUpUsage(reported: Counts): Added {
  const { total, cached, reasoning } = reported
  let { input, output } = reported
  let isEstimated = false
  if (input === null && output !== null && total !== null && total > output) input = total - output
  if (output === null && input !== null && total !== null && total >= input) output = total - input
  if (input !== null && cached !== null && cached > input) {
    input += cached
    isEstimated = output === null || total !== input + output
  }
  if (input === null || output === null) {
    return { inputTokens: input, outputTokens: output, totalTokens: total }
  }
  const missing = (total ?? 0) - input - output
  if (missing > 0) {
    // xAI and Gemini count thoughts beside the completion, and the total says so.
    output += missing
    isEstimated ||= missing !== reasoning
  }
  if (reasoning !== null && reasoning > output) {
    output += reasoning
    isEstimated = true
  }
  if (total !== null && missing < 0) isEstimated = true
  const counts = { inputTokens: input, outputTokens: output, totalTokens: input + output }
  return isEstimated ? { ...counts, isEstimated } : counts
}
