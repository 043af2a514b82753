import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { eventStream, head, json } from '../../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  RESET,
  startRawProvider,
} from '../../support/agents/raw-provider.ts'
import { delta, doneFrame, finishFrame, usageFrame } from './recorded.ts'
import { expectNoSecret, SECRET } from './secrets.ts'
import { collect, openRouter, type Outcome, request } from './support.ts'

let provider: RawProvider
beforeAll(async () => {
  provider = await startRawProvider()
})
afterAll(() => provider.close())

async function streamed(script: RawScript): Promise<Outcome> {
  provider.respond(script)
  return await collect(openRouter(provider.url))
}

interface Fault {
  script: RawScript
  code: ModelError['code']
  fault: ModelError['fault']
  text?: string
  status?: number
}

const inBand = (error: unknown): string => `data: ${JSON.stringify({ error })}\n\n`
const HALF = [delta('Grüße '), delta('😀')]
const half = { text: 'Grüße 😀' }
const truncated = { code: 'provider_stream_truncated', fault: 'provider' } as const
const malformed = { code: 'provider_malformed_response', fault: 'provider' } as const

const streamFaults: Record<string, Fault> = {
  'a reset before the answer': {
    script: [RESET],
    code: 'provider_unreachable',
    fault: 'provider',
  },
  'an end before the answer': { script: [], code: 'provider_unreachable', fault: 'provider' },
  'half a head': { script: ['HTTP/1.1 200 O'], code: 'provider_unreachable', fault: 'provider' },
  'a reset after some text': {
    script: [...eventStream(HALF).slice(0, -1), { delayMs: 20 }, RESET],
    ...truncated,
    ...half,
  },
  'an end without a finish reason': { script: eventStream(HALF), ...truncated, ...half },
  'an end mark without a finish reason': {
    script: eventStream([...HALF, doneFrame]),
    ...truncated,
    ...half,
  },
  'half a frame': {
    script: eventStream([...HALF, finishFrame.slice(0, 30)]),
    ...truncated,
    ...half,
  },
  'a frame without its blank line': {
    script: eventStream([...HALF, finishFrame.slice(0, -1)]),
    ...truncated,
    ...half,
  },
  'comments only': { script: eventStream([': a\n\n', ': b\n\n']), ...truncated },
  'nothing at all': { script: eventStream([]), ...truncated },
  'a frame that is not JSON': {
    script: eventStream([...HALF, 'data: {"choices":[{\n\n', finishFrame]),
    ...malformed,
    ...half,
  },
  'a frame that is not an object': {
    script: eventStream([...HALF, 'data: 7\n\n', finishFrame]),
    ...malformed,
    ...half,
  },
  'content that is not text': {
    script: eventStream([...HALF, 'data: {"choices":[{"delta":{"content":7}}]}\n\n', finishFrame]),
    ...malformed,
    ...half,
  },
  'choices that are no array': {
    script: eventStream(['data: {"choices":7}\n\n', finishFrame]),
    ...malformed,
  },
  'an event beyond every size': {
    script: eventStream([...HALF, `data: ${'x'.repeat(10 * 1024 * 1024)}`]),
    ...malformed,
    ...half,
  },
  'an error object in the stream': {
    script: eventStream([...HALF, inBand({ code: 502, message: SECRET }), finishFrame, doneFrame]),
    code: 'provider_error',
    fault: 'provider',
    status: 502,
    ...half,
  },
  'an error object beside a choice that finishes': {
    script: eventStream([
      ...HALF,
      'data: {"error":{"code":"server_error"},"choices":[{"delta":{},"finish_reason":"error"}]}\n\n',
    ]),
    code: 'provider_error',
    fault: 'provider',
    ...half,
  },
  'an error object inside a choice': {
    script: eventStream(['data: {"choices":[{"error":{"code":429},"delta":{}}]}\n\n']),
    code: 'provider_rate_limited',
    fault: 'provider',
    status: 429,
  },
  'the finish reason error': {
    script: eventStream([...HALF, 'data: {"choices":[{"delta":{},"finish_reason":"error"}]}\n\n']),
    code: 'provider_error',
    fault: 'provider',
    ...half,
  },
  'an error after the finish reason': {
    script: eventStream([...HALF, finishFrame, inBand({ code: 500 }), doneFrame]),
    code: 'provider_error',
    fault: 'provider',
    status: 500,
    ...half,
  },
  'an error as vLLM writes it': {
    script: eventStream(['data: {"object":"error","message":"no","type":"x","code":400}\n\n']),
    code: 'provider_rejected_request',
    fault: 'caller',
    status: 400,
  },
  'an error by name only': {
    script: eventStream([inBand({ code: 'rate_limit_exceeded', message: SECRET })]),
    code: 'provider_rate_limited',
    fault: 'provider',
  },
  'a JSON error in a 200': {
    script: [json(200, { error: { code: 402, message: SECRET } })],
    code: 'provider_payment_required',
    fault: 'platform',
    status: 402,
  },
  'a whole answer without an end where a stream was asked for': {
    script: [json(200, { id: 'gen-1', choices: [] })],
    ...malformed,
  },
  'a page of a proxy': {
    script: [head(200, { 'content-type': 'text/html' }), '<h1>Welcome</h1>'],
    ...malformed,
  },
  'a page without a content type': { script: [head(200), '<html>busy</html>'], ...malformed },
  'an empty answer': {
    // What a caller's stop sequence can cause counts for no breaker that others share.
    script: eventStream([delta(''), finishFrame, usageFrame, doneFrame]),
    code: 'provider_empty_response',
    fault: 'platform',
  },
  'no content': { script: [head(204)], ...malformed, status: 204 },
  'a redirect': {
    script: [head(302, { location: 'http://127.0.0.1:9/' })],
    code: 'provider_misconfigured',
    fault: 'platform',
    status: 302,
  },
}

describe('a stream never ends as a success on', () => {
  it.each(Object.entries(streamFaults))('%s', async (_, expected) => {
    const { answer, batches, error } = await streamed(expected.script)
    expect(error).toBeInstanceOf(ModelError)
    const { code, fault, status, outputSeen, retryable } = error as ModelError
    expect({ code, fault, status }).toEqual({
      code: expected.code,
      fault: expected.fault,
      status: expected.status ?? null,
    })
    expect(batches.flat().filter(({ type }) => type === 'finish')).toEqual([])
    expect(answer.content).toBe(expected.text ?? '')
    expect(outputSeen).toBe(expected.text !== undefined)
    expect(retryable).toBe(expected.fault === 'provider' && expected.text === undefined)
    expectNoSecret(error)
  })
})

describe('a stream still ends as a success when', () => {
  const successes: Record<string, RawScript> = {
    'the usage is missing': eventStream([...HALF, finishFrame, doneFrame]),
    'the end mark is missing': eventStream([...HALF, finishFrame]),
    'the connection is reset after the finish reason': [
      ...eventStream([...HALF, finishFrame]).slice(0, -1),
      { delayMs: 20 },
      RESET,
    ],
    'the finish reason is repeated': eventStream([
      ...HALF,
      finishFrame,
      finishFrame.replace('"stop"', '"length"'),
      doneFrame,
      doneFrame,
    ]),
    'junk follows the end mark': eventStream([
      ...HALF,
      finishFrame,
      doneFrame + 'data: {"choices":[{"delta":{"content":"more"}}]}\n\ndata: {{{\n\n',
    ]),
    'every byte is a packet of its own': eventStream(
      Array.from(Buffer.from([...HALF, finishFrame, doneFrame].join('')), (byte) =>
        Uint8Array.of(byte),
      ),
    ),
  }

  it.each(Object.entries(successes))('%s', async (_, script) => {
    const { answer, batches, error } = await streamed(script)
    expect(error).toBeNull()
    expect(answer.content).toBe('Grüße 😀')
    expect(answer.finish).toEqual({ reason: 'stop', rawReason: 'stop' })
    expect(answer.usage).toBeNull()
    expect(batches.flat().filter(({ type }) => type === 'finish')).toHaveLength(1)
  })
})

describe('an answer that is not streamed', () => {
  const wholeFaults: Record<string, Fault> = {
    'a reset': { script: [RESET], code: 'provider_unreachable', fault: 'provider' },
    'a body cut off': {
      script: [json(200, { choices: [] }).slice(0, -3)],
      ...truncated,
    },
    'half a JSON text': { script: [json(200, '{"choices":')], ...malformed },
    'an empty body': {
      script: [json(200, '')],
      code: 'provider_empty_response',
      fault: 'provider',
    },
    'an error in a 200': {
      script: [json(200, { error: { code: 429, message: SECRET } })],
      code: 'provider_rate_limited',
      fault: 'provider',
      status: 429,
    },
    'no finish reason': {
      script: [json(200, { id: 'gen-1', choices: [] })],
      ...malformed,
    },
    'an empty message': {
      script: [json(200, { choices: [{ message: { content: '' }, finish_reason: 'stop' }] })],
      code: 'provider_empty_response',
      fault: 'platform',
    },
    'no object': { script: [json(200, '[1]')], ...malformed },
    'a page': { script: [head(200, { 'content-type': 'text/html' }), '<h1>'], ...malformed },
  }

  it.each(Object.entries(wholeFaults))(
    'fails on %s',
    async (_, { script, code, fault, status }) => {
      provider.respond(script)
      const error: unknown = await completeModel(openRouter(provider.url), request).then(
        () => null,
        (reason: unknown) => reason,
      )
      expect(error).toMatchObject({ code, fault, status: status ?? null })
      expectNoSecret(error)
    },
  )
})
