import { AnswerReader } from './answer-reader.ts'
import { type ModelAdapter, ProviderReportedError } from './model-adapter.ts'
import { ModelCall, type ModelCallOptions } from './model-call.ts'
import { ModelError } from './model-error.ts'
import { findErrorObject } from './provider-failure.ts'
import { readText } from './read-text.ts'
import type { ModelEvent, ModelRequest } from './types.ts'

const MAX_JSON_BYTES = 64 * 1024

/**
 * Streams one answer: one non-empty array of events per upstream read that brought any.
 *
 * The first event is `start`, the last is `finish`; without a finish reason from the provider
 * there is no `finish` and the iteration rejects instead, after handing out all that had arrived.
 * Once the reason is known the answer is complete even if the connection then breaks; what can be
 * missing is its usage. Leaving the loop early ends the request at the provider, but only between
 * two reads: abort `options.signal` to end it at once.
 *
 * @throws ModelError for everything the provider does wrong
 * @throws the reason of `options.signal` when the caller aborts
 */
export async function* streamModel(
  adapter: ModelAdapter,
  request: ModelRequest,
  options: ModelCallOptions = {},
): AsyncGenerator<ModelEvent[], void, undefined> {
  const call = new ModelCall(adapter, options)
  let drained = false
  try {
    call.expect('provider_timeout', call.timeouts.connectMs)
    const body = await openStream(call, request)
    call.expect('provider_timeout', call.timeouts.firstTokenMs)
    const reader = new AnswerReader(call, body, adapter.createDecoder(request))
    for (;;) {
      const batch = await reader.next()
      if (batch === null) break
      // The consumer's time is not the provider's.
      call.watchdog.pause()
      yield batch
      call.watchdog.resume()
    }
    drained = await reader.drain()
  } catch (error) {
    throw call.failure(error)
  } finally {
    call.close(!drained)
  }
}

async function openStream(
  call: ModelCall,
  request: ModelRequest,
): Promise<ReadableStream<Uint8Array>> {
  const response = await call.open(request, 'stream')
  const type = response.headers.get('content-type') ?? ''
  if (!/^text\/event-stream\b/i.test(type)) throw await failureOfWrongType(call, response, type)
  if (response.body === null) throw new ModelError('provider_stream_truncated')
  return response.body
}

/** A 200 that is not a stream: an error as JSON, or something that is no provider at all. */
async function failureOfWrongType(
  call: ModelCall,
  response: Response,
  type: string,
): Promise<Error> {
  const read = readText(response, MAX_JSON_BYTES)
  const { text } = await call.transport(read, 'provider_stream_truncated')
  let reported: unknown
  try {
    reported = findErrorObject(JSON.parse(text))
  } catch {
    reported = undefined // Not JSON, which the error below says.
  }
  if (reported !== undefined) return new ProviderReportedError(reported)
  const detail = `content-type ${JSON.stringify(type.slice(0, 100))} instead of text/event-stream`
  return new ModelError('provider_malformed_response', { detail })
}
