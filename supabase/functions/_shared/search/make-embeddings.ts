import { type Admin, untilStored } from '../database.ts'
import { toAppError } from '../errors.ts'
import type { RouteStep } from '../executions/execution.ts'
import type { Models } from '../executions/models.ts'
import { errorLine, redact } from '../log/redact.ts'
import type { Log } from '../log/log.ts'
import { ModelError } from '../models/model-error.ts'
import type { ModelUsage, Vector } from '../models/model-protocol.ts'
import { type Clock, timeLimit } from '../time.ts'

export interface EmbeddingDependencies {
  /** The service role: the vectors of an organization are made for no person. */
  readonly admin: Admin
  readonly models: Models
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  /** Milliseconds after which no further batch is claimed. */
  readonly budget: number
}

/** What `claim_embeddings` returns. */
interface Batch {
  readonly organization_id: number
  readonly batch_id: string
  readonly step: RouteStep
  readonly texts: readonly string[]
}

/** Milliseconds of one call: less than the two minutes for which a batch is claimed. */
const callLimit = 90_000

/**
 * Makes the vectors that are due, a batch at a time, and returns how many. The database repeats a batch
 * that failed: it knows when, and which of its texts to send alone.
 */
export async function makeEmbeddings(deps: EmbeddingDependencies): Promise<number> {
  const { admin, models, clock, budget } = deps
  const deadline = clock.now() + budget
  let made = 0
  while (clock.now() < deadline) {
    const batch = await admin.call('claim_embeddings', { providers: [...models.providers] })
    if (batch === null) break
    made += await embedBatch(deps, batch as Batch)
  }
  return made
}

async function embedBatch(deps: EmbeddingDependencies, batch: Batch): Promise<number> {
  let answer: Answer
  try {
    answer = await callModel(deps.models, batch)
  } catch (error) {
    await storeFailure(deps, batch, error)
    return 0
  }
  const { organization_id, batch_id } = batch
  const { vectors, usage } = answer
  try {
    return await untilStored(
      () =>
        deps.admin.call('store_embeddings', {
          organization_id,
          batch_id,
          vectors,
          ...countsOf(usage),
        }),
      deps,
    )
  } catch (error) {
    if (toAppError(error).code !== 'invalid_request') throw error
    // Vectors of two sizes, or of zeros alone.
    const failure = new ModelError('provider_malformed_response')
    failure.usage = usage
    await storeFailure(deps, batch, failure)
    return 0
  }
}

interface Answer {
  readonly vectors: readonly Vector[]
  readonly usage: ModelUsage | null
}

async function callModel(models: Models, { organization_id, step, texts }: Batch): Promise<Answer> {
  let vectors: readonly Vector[] = []
  let usage: ModelUsage | null = null
  const embed = { input: texts, encoding: 'float' } as const
  const { model, config } = step
  await models.call(
    step,
    { model, config, systemPrompts: [], messages: [], params: {}, embed },
    (events) => {
      for (const event of events) {
        if (event.type === 'embeddings') vectors = event.vectors
        if (event.type === 'usage') usage = event.usage
      }
    },
    { stream: false, signal: timeLimit(callLimit), organizationId: organization_id },
  )
  return { vectors, usage }
}

async function storeFailure(
  deps: EmbeddingDependencies,
  { organization_id, batch_id }: Batch,
  error: unknown,
): Promise<void> {
  const failure = toModelError(error)
  const { code, fault, retryAfterMs, usage } = failure
  const level = fault === 'caller' ? 'info' : 'warn'
  const detail = failure.detail === null ? errorLine(error) : redact(failure.detail)
  // A batch has the place of an execution in the ledger, too.
  deps.log({ level, event: 'embeddings_failed', execution_id: batch_id, code, detail })
  await untilStored(
    () =>
      deps.admin.call('fail_embeddings', {
        organization_id,
        batch_id,
        code,
        fault,
        retry_after: retryAfterMs === null ? undefined : Math.ceil(retryAfterMs / 1_000),
        ...countsOf(usage),
      }),
    deps,
  )
}

/** A time limit of ours is the provider's; anything else that is no ModelError is our own defect. */
function toModelError(error: unknown): ModelError {
  if (error instanceof ModelError) return error
  const isTimeout = error instanceof DOMException && error.name === 'TimeoutError'
  return isTimeout
    ? new ModelError('provider_timeout')
    : new ModelError('provider_misconfigured', { detail: String(error) })
}

const countsOf = (usage: ModelUsage | null) => ({
  input_tokens: usage?.inputTokens ?? undefined,
  cost_usd: usage?.costUsd ?? undefined,
})
