import { readText } from './byte-reader.ts'
import { type ModelAdapter, ProviderReportedError } from './model-adapter.ts'
import { foldEvents, type ModelAnswer } from './model-answer.ts'
import { ModelCall, type ModelCallOptions } from './model-call.ts'
import { ModelError } from './model-error.ts'
import type { EmbeddingInput, ModelRequest, ModelUsage } from './model-protocol.ts'
import type { EmbeddingAnswer } from './openai-embeddings.ts'
import { findErrorObject } from './provider-failure.ts'

/** A longer answer counts as broken: 16 MiB are hundreds of times the longest text, and 1,000 vectors. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/**
 * Asks for one whole answer. The same rules as streamModel: an answer without a finish reason
 * from the provider is an error.
 *
 * @throws ModelError for everything the provider does wrong
 * @throws the reason of `options.signal` when the caller aborts
 */
export function completeModel(
  adapter: ModelAdapter,
  request: ModelRequest,
  options: ModelCallOptions = {},
): Promise<ModelAnswer> {
  return askWhole(adapter, request, options, (body, call) => {
    adapter.decodeAnswer(body, request, call.answer)
    if (!call.answer.finishing) throw malformed('no finish reason')
    return foldEvents(call.answer.end(false))
  })
}

/** Requests that one list of texts makes at the same time. */
const requestsAtOnce = 8

/**
 * Asks for the vectors of texts, in as many requests as the provider needs.
 * @throws as completeModel(); the usage of a failure has that of all requests
 */
export async function embedModel(
  adapter: ModelAdapter,
  request: ModelRequest & { readonly embed: EmbeddingInput },
  options: ModelCallOptions = {},
): Promise<EmbeddingAnswer> {
  const { embeddings } = adapter
  const answers: EmbeddingAnswer[] = []
  const used: (ModelUsage | null)[] = []
  const left = [...embeddings.batches(request.model, request.embed).entries()]
  let failure: unknown
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [place, embed] = next
      try {
        answers[place] = await askWhole(adapter, { ...request, embed }, options, (body, call) => {
          const usage = embeddings.usageOf(body)
          used.push(usage)
          // Before the vectors, which may be broken and are paid all the same.
          if (usage) call.answer.usage(usage)
          const answer = embeddings.read(body, embed)
          return { ...answer, requestId: call.answer.requestId ?? answer.requestId }
        })
      } catch (error) {
        failure ??= error
        left.length = 0
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(left.length, requestsAtOnce) }, work))
  const usage = sumOfUsage(used)
  if (failure instanceof ModelError) failure.usage = usage ?? failure.usage
  if (failure !== undefined) throw failure as Error
  const [first] = answers
  return {
    requestId: first?.requestId ?? null,
    model: first?.model ?? null,
    vectors: answers.flatMap(({ vectors }) => vectors),
    usage,
  }
}

/** An unknown part makes the sum unknown. */
function sumOfUsage(used: readonly (ModelUsage | null)[]): ModelUsage | null {
  const known = used.filter((usage) => usage !== null)
  const [first] = known
  if (!first || known.length < used.length) return null
  const sum = (name: 'inputTokens' | 'totalTokens' | 'costUsd') =>
    known.reduce<number | null>((total, { [name]: one }) => {
      return total === null || one === null ? null : total + one
    }, 0)
  const sums = { inputTokens: sum('inputTokens'), totalTokens: sum('totalTokens') }
  return { ...first, ...sums, costUsd: sum('costUsd') }
}

async function askWhole<Answer>(
  adapter: ModelAdapter,
  request: ModelRequest,
  options: ModelCallOptions,
  decode: (body: unknown, call: ModelCall) => Answer,
): Promise<Answer> {
  const call = new ModelCall(adapter, options)
  let whole = false
  try {
    call.expect('provider_timeout', call.timeouts.completeMs)
    const response = await call.open(request, 'complete')
    const read = readText(response, MAX_ANSWER_BYTES)
    const { text, truncated } = await call.transport(read, 'provider_stream_truncated')
    whole = !truncated
    if (truncated) throw malformed('the answer is too long')
    const body = parseBody(text)
    const reported = findErrorObject(body)
    if (reported !== undefined) throw new ProviderReportedError(reported)
    return decode(body, call)
  } catch (error) {
    throw withoutBlame(call.failure(error))
  } finally {
    call.close(!whole)
  }
}

/**
 * The time of a whole answer depends on the request, so a time-out says nothing about the provider.
 * If it counted, long answers of one organization would open the breaker for all.
 */
function withoutBlame(failure: unknown): unknown {
  const ranOut = failure instanceof ModelError && failure.code === 'provider_timeout'
  return ranOut && failure.status === null
    ? new ModelError('provider_timeout', { fault: 'caller' })
    : failure
}

function parseBody(text: string): unknown {
  if (text.trim() === '') throw new ModelError('provider_empty_response')
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is not ours to log.
    throw malformed(`${text.length} characters that are not JSON`)
  }
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
