import { type ErrorCode, errorCodes } from '../errors.ts'
import type { ModelAnswer } from '../models/model-answer.ts'
import type { ModelUsage } from '../models/model-protocol.ts'
import { withoutFiles } from '../tools/tool-messages.ts'
import type { Fault, FinishedExecution, Outcome } from './execution.ts'

/** An outcome without the values of its run: the model, the times and the usage. */
export type AnswerOutcome = Omit<Outcome, 'model_id' | 'latency_ms' | 'first_chunk_ms'>

/** The end of an answer for which the provider gave a finish reason. */
export function successOutcome(answer: ModelAnswer): AnswerOutcome {
  return { ...answerOutcome(answer), status: 'success' }
}

/** The end of an answer that failed or was stopped; the part so far is kept. */
export function failureOutcome(answer: ModelAnswer, code: ErrorCode, fault: Fault): AnswerOutcome {
  return {
    ...answerOutcome(answer),
    status: isCancellation(code) ? 'cancelled' : 'failed',
    error_code: code,
    // Members can read it: our own sentence, never what a provider said.
    error_message: errorCodes[code].message,
    fault,
  }
}

/**
 * Whether an execution that ends for this reason was stopped: by its person, with their access, or by the
 * person who answers from then on.
 */
export function isCancellation(code: ErrorCode): boolean {
  return cancellations.has(code)
}

const cancellations: ReadonlySet<string> = new Set<ErrorCode>([
  'execution_cancelled',
  'access_revoked',
  'person_answers',
])

/** Whether it ended because a person answers in its place. */
export function isLeftToPerson({
  finish_reason,
}: Pick<FinishedExecution, 'finish_reason'>): boolean {
  return finish_reason === 'person_answers'
}

/** The usage, as the provider reports it. */
export function usageOutcome(usage: ModelAnswer['usage']) {
  if (!usage) return {}
  const counts = withoutNulls({
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    total_tokens: usage.totalTokens,
    cached_input_tokens: usage.cachedInputTokens,
    reasoning_tokens: usage.reasoningTokens,
    tool_input_tokens: usage.toolInputTokens,
    provider_cost_usd: usage.costUsd,
  })
  return usage.isEstimated ? { ...counts, usage_is_estimated: true } : counts
}

function answerOutcome({ content, parts, finish, requestId }: ModelAnswer) {
  return {
    content,
    ...(isMoreThanText(parts) && { parts: withoutFiles(parts) }),
    ...(finish && { finish_reason: finish.reason }),
    ...(requestId !== null && { provider_request_id: requestId }),
  }
}

// Of a message without parts, its content is the one text part.
function isMoreThanText(parts: ModelAnswer['parts']): boolean {
  const [first] = parts
  if (parts.length !== 1 || first?.type !== 'text') return parts.length > 0
  return first.provider_metadata !== undefined
}

function withoutNulls<Key extends string>(
  counts: Readonly<Record<Key, number | null>>,
): Partial<Record<Key, number>> {
  const known = Object.entries(counts).filter(([, count]) => count !== null)
  return Object.fromEntries(known) as Partial<Record<Key, number>>
}

/** One model call: its usage as the provider reports it, and the size of its request. */
export interface StepUsage {
  usage: ModelUsage | null
  /**
   * Characters of its request; a quarter of them estimates tokens that the provider did not count.
   */
  readonly length: number
}

export interface TotalUsage {
  readonly usage: ModelUsage | null
  /** Only where some of several calls were not counted: then the total is an estimate. */
  readonly estimatedInputTokens?: number
}

/** The usage of several model calls. A sum with an unknown part is unknown. */
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
  const { isEstimated: _, ...counts } = step
  const names = Object.keys(counts) as (keyof typeof counts)[]
  const sums = names.map((name) => [name, sum(total[name], step[name])] as const)
  const added = Object.fromEntries(sums) as typeof counts
  return total.isEstimated || step.isEstimated ? { ...added, isEstimated: true } : added
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b
}
