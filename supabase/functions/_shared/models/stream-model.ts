import { AnswerReader } from './answer-reader.ts'
import { readText } from './byte-reader.ts'
import { type ModelAdapter, ProviderReportedError } from './model-adapter.ts'
import { ModelCall, type ModelCallOptions } from './model-call.ts'
import { ModelError } from './model-error.ts'
import type { ModelRequest, TakeEvents } from './model-protocol.ts'
import { findErrorObject } from './provider-failure.ts'

/** Of an answer that comes whole although a stream was asked for. */
const MAX_JSON_BYTES = 16 * 1024 * 1024

/**
 * Streams one answer: hands out one non-empty array of events for each upstream read that brought
 * any. A callback and no generator: measured, the generators on the way from here to the client cost
 * a stream of 200 chunks a tenth of its CPU.
 *
 * The first event is `start`, the last is `finish`; without a finish reason from the provider
 * there is no `finish` and the call rejects instead, after handing out all that had arrived. Once
 * the reason is known the answer is complete even if the connection then breaks; what can be
 * missing is its usage. What `take` throws ends the request at the provider, as an abort of
 * `options.signal` does.
 *
 * @throws ModelError for everything the provider does wrong
 * @throws the reason of `options.signal` when the caller aborts, and what `take` throws
 */
export async function streamModel(
  adapter: ModelAdapter,
  request: ModelRequest,
  take: TakeEvents,
  options: ModelCallOptions = {},
): Promise<void> {
  const call = new ModelCall(adapter, options)
  let drained = false
  try {
    call.expect('provider_timeout', call.timeouts.connectMs)
    const opened = await openStream(call, request)
    if ('whole' in opened) {
      adapter.decodeAnswer(opened.whole, request, call.answer)
      if (!call.answer.finishing) throw noFinishReason()
      drained = true
      take(call.answer.end(false))
      return
    }
    call.expect('provider_timeout', call.timeouts.firstTokenMs)
    const reader = new AnswerReader(call, opened.body, adapter.createDecoder(request), take)
    await reader.read()
    drained = await reader.drain()
  } catch (error) {
    throw call.failure(error)
  } finally {
    call.close(!drained)
  }
}

type Opened = { readonly body: ReadableStream<Uint8Array> } | { readonly whole: unknown }

async function openStream(call: ModelCall, request: ModelRequest): Promise<Opened> {
  const response = await call.open(request, 'stream')
  const type = response.headers.get('content-type') ?? ''
  if (!/^\s*text\/event-stream\b/i.test(type)) return readWhole(call, response, type)
  if (response.body === null) throw new ModelError('provider_stream_truncated')
  return { body: response.body }
}

/**
 * A 200 that does not say that it is a stream: a whole answer, an error, a stream all the same, or
 * something that is no provider at all.
 */
async function readWhole(call: ModelCall, response: Response, type: string): Promise<Opened> {
  call.expect('provider_timeout', call.timeouts.completeMs)
  const read = readText(response, MAX_JSON_BYTES)
  const { text } = await call.transport(read, 'provider_stream_truncated')
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined // Not JSON, which the error below says.
  }
  const reported = findErrorObject(body)
  if (reported !== undefined) throw new ProviderReportedError(reported)
  if (typeof body === 'object' && body !== null) return { whole: body }
  if (/^\uFEFF?\s*(?:data|event|id|retry)?:/.test(text)) return { body: new Blob([text]).stream() }
  const detail = `content-type ${JSON.stringify(type.slice(0, 100))} instead of text/event-stream`
  throw new ModelError('provider_malformed_response', { detail })
}

function noFinishReason(): ModelError {
  return new ModelError('provider_malformed_response', { detail: 'no finish reason' })
}
