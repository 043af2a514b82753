import { readText } from './byte-reader.ts'
import { type ModelAdapter, ProviderReportedError } from './model-adapter.ts'
import { foldEvents, type ModelAnswer } from './model-answer.ts'
import { ModelCall, type ModelCallOptions } from './model-call.ts'
import { ModelError } from './model-error.ts'
import type { ModelRequest } from './model-protocol.ts'
import { findErrorObject } from './provider-failure.ts'

/** A longer answer counts as broken; 16 MiB is hundreds of times the longest output. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/**
 * Asks for one whole answer. The same rules as streamModel: an answer without a finish reason
 * from the provider is an error.
 *
 * @throws ModelError for everything the provider does wrong
 * @throws the reason of `options.signal` when the caller aborts
 */
export async function completeModel(
  adapter: ModelAdapter,
  request: ModelRequest,
  options: ModelCallOptions = {},
): Promise<ModelAnswer> {
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
    adapter.decodeAnswer(body, request, call.answer)
    if (!call.answer.finishing) throw malformed('no finish reason')
    return foldEvents(call.answer.end(false))
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
