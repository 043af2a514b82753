import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { createOpenAiCompatibleAdapter } from '../../../supabase/functions/_shared/models/openai-compatible.ts'
import { eventStream, head, json } from '../../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  startRawProvider,
} from '../../support/agents/raw-provider.ts'
import { TEXT, vertexFrame, vertexFrames } from './recorded.ts'
import { expectNoSecret, SECRET } from './secrets.ts'
import { collect, openRouter, type Outcome, request } from './support.ts'
import { ACCESS_TOKEN, vertexAdapter } from './vertex-support.ts'

let provider: RawProvider
beforeAll(async () => {
  provider = await startRawProvider()
})
afterAll(() => provider.close())

/** The sentences by which services say that a request is too long, as they were recorded. */
const tooLong = [
  { code: 'context_length_exceeded', type: 'invalid_request_error', message: SECRET },
  { message: "This model's maximum context length is 8192 tokens. However, you requested 9000." },
  { code: 400, message: "This endpoint's maximum context length is 8192 tokens." },
  {
    code: 400,
    message: 'Provider returned error',
    metadata: { raw: '{"message":"prompt is too long: 9 tokens > 8 maximum"}' },
  },
  { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' },
  {
    code: 400,
    status: 'INVALID_ARGUMENT',
    message:
      'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
  },
  { type: 'exceed_context_size_error', message: 'the request exceeds the available context size' },
  { message: 'Please reduce the length of the messages or completion.' },
  {
    code: 'invalid-argument',
    message: "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
  },
]

const statuses: [number, unknown, ModelError['code'], ModelError['fault']][] = [
  [400, { error: { code: 400, message: SECRET } }, 'provider_rejected_request', 'caller'],
  [401, { error: { code: 401, message: SECRET } }, 'provider_unauthorized', 'platform'],
  [402, { error: { code: 402, message: SECRET } }, 'provider_payment_required', 'platform'],
  [403, { error: { code: 403, message: SECRET } }, 'provider_unauthorized', 'platform'],
  [403, { error: { metadata: { reasons: ['hate'] } } }, 'content_filtered', 'caller'],
  [400, { error: { code: 'content_filter', message: SECRET } }, 'content_filtered', 'caller'],
  [
    400,
    { error: { code: null, innererror: { code: 'ResponsibleAIPolicyViolation' } } },
    'content_filtered',
    'caller',
  ],
  ...tooLong.map((error): (typeof statuses)[number] => [
    400,
    { error },
    'context_length_exceeded',
    'caller',
  ]),
  [404, { error: { code: 404 } }, 'provider_model_not_found', 'platform'],
  [408, {}, 'provider_timeout', 'provider'],
  [413, '<html>', 'provider_rejected_request', 'caller'],
  [422, {}, 'provider_rejected_request', 'caller'],
  [429, { error: { message: SECRET } }, 'provider_rate_limited', 'provider'],
  [429, { error: { code: 'insufficient_quota' } }, 'provider_payment_required', 'platform'],
  [500, 'Internal Server Error', 'provider_error', 'provider'],
  [502, '<html>', 'provider_error', 'provider'],
  [503, {}, 'provider_error', 'provider'],
  [504, {}, 'provider_timeout', 'provider'],
  [529, {}, 'provider_error', 'provider'],
]

function collectFrom(script: RawScript): Promise<Outcome> {
  provider.respond(script)
  return collect(openRouter(provider.url))
}

describe('an HTTP status says whose fault it is', () => {
  it.each(statuses)('%i %j', async (status, body, code, fault) => {
    const script = [json(status, body, { 'retry-after': '7' })]
    const { error, batches } = await collectFrom(script)
    expect(batches).toEqual([])
    expect(error).toBeInstanceOf(ModelError)
    expect(error).toMatchObject({ code, fault, status, retryAfterMs: 7000, outputSeen: false })
    expectNoSecret(error)
    provider.respond(script)
    const whole = completeModel(openRouter(provider.url), request)
    await expect(whole).rejects.toMatchObject({ code, fault, status, retryAfterMs: 7000 })
  })

  it('even when the body that explains it breaks off', async () => {
    const { error } = await collectFrom([
      head(429, { 'content-length': '500', 'retry-after': '3' }),
    ])
    expect(error).toMatchObject({ code: 'provider_rate_limited', retryAfterMs: 3000 })
  })

  it('and an error body of any size is read only in part', async () => {
    const { error } = await collectFrom([head(500), 'x'.repeat(200_000)])
    expect(error).toMatchObject({ code: 'provider_error', status: 500 })
    expect((error as ModelError).detail?.length).toBeLessThan(1100)
  })
})

describe('a key of no known shape', () => {
  const apiKey = 'correct horse battery staple'
  const leaks: Record<string, RawScript> = {
    'a status': [json(500, `no such key: ${apiKey}`)],
    'an error object': eventStream([`data: {"error":{"message":"${apiKey}","code":500}}\n\n`]),
  }

  it.each(Object.entries(leaks))('is removed from what %s says', async (_, script) => {
    provider.respond(script)
    const baseUrl = `${provider.url}/v1`
    const { error } = await collect(createOpenAiCompatibleAdapter({ baseUrl, apiKey }))
    expect(error).toMatchObject({ code: 'provider_error' })
    expect((error as ModelError).detail).toContain('[redacted]')
    expect(inspect(error)).not.toContain('horse')
  })
})

describe('Vertex AI', () => {
  async function asked(script: RawScript): Promise<Outcome> {
    provider.respond(script)
    return await collect(vertexAdapter(provider.url))
  }

  it('reports errors in an array, with the delay google.rpc.RetryInfo asks for', async () => {
    const details = [{ '@type': 'google.rpc.RetryInfo', retryDelay: '12.5s' }]
    const body = [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: SECRET, details } }]
    const { error } = await asked([json(429, body)])
    expect(error).toMatchObject({ code: 'provider_rate_limited', retryAfterMs: 12_500 })
  })

  it('fails in the stream', async () => {
    const error = { code: 503, status: 'UNAVAILABLE', message: `Bearer ${ACCESS_TOKEN}` }
    const outcome = await asked(eventStream([vertexFrames[1] ?? '', vertexFrame({ error })]))
    expect(outcome.error).toMatchObject({ code: 'provider_error', status: 503, outputSeen: true })
    expect(outcome.answer.content).toBe('Grüße 😀, ')
    expectNoSecret(outcome.error)
  })

  it('may repeat STOP in every frame: then a broken connection is a cut, an orderly end is not', async () => {
    const stop = (text: string): string =>
      vertexFrame({ candidates: [{ content: { parts: [{ text }] }, finishReason: 'STOP' }] })
    const frames = [stop('Grüße 😀, '), stop('wie geht'), stop(' es?')]
    const whole = await asked(eventStream(frames))
    expect(whole.answer.content).toBe(TEXT)
    expect(whole.error).toBeNull()
    const cut = await asked(
      eventStream(frames, { cutAt: Buffer.byteLength(frames.slice(0, 2).join('')) }),
    )
    expect(cut.answer.content).toBe('Grüße 😀, wie geht')
    expect(cut.error).toMatchObject({ code: 'provider_stream_truncated', outputSeen: true })
  })

  it('is asked with a new token after it refused one', async () => {
    const { error } = await asked([json(401, { error: { message: `token ${ACCESS_TOKEN}` } })])
    expect(error).toMatchObject({ code: 'provider_unauthorized', fault: 'platform' })
    expectNoSecret(error)
  })
})
