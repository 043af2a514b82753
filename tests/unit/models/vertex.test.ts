import { describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import type {
  ModelEvent,
  ModelRequest,
} from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { toGenerateContentRequest } from '../../../supabase/functions/_shared/models/vertex-request.ts'
import { vertexFrame, vertexFrames } from './recorded.ts'
import { collect, encode, fetchOf, type Outcome, request } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

const asked: ModelRequest = { ...request, model: 'gemini-1.5-pro' }
const candidate = (parts: unknown[], finishReason?: string): Record<string, unknown> => ({
  candidates: [{ content: { role: 'model', parts }, finishReason }],
})

async function streamed(...bodies: unknown[]): Promise<Outcome> {
  const send = fetchOf(bodies.map((body) => encode(vertexFrame(body))))
  const options = { fetch: send, newId: () => 'new' }
  return await collect(vertexAdapter('http://x'), options, asked)
}

async function eventsOf(...bodies: unknown[]): Promise<ModelEvent[]> {
  const { batches, error } = await streamed(...bodies)
  expect(error).toBeNull()
  return batches.flat()
}

describe('a Gemini stream', () => {
  it('becomes start, reasoning, text, usage and finish', async () => {
    const options = { fetch: fetchOf(vertexFrames.map(encode)) }
    const { batches } = await collect(vertexAdapter('http://x'), options, asked)
    const none = {
      cachedInputTokens: null,
      cacheWriteTokens: null,
      toolInputTokens: null,
      costUsd: null,
    }
    expect(batches).toEqual([
      [
        { type: 'start', requestId: 'resp-1', model: 'gemini-1.5-pro-002' },
        { type: 'reasoning', text: 'Höflich.' },
        {
          type: 'usage',
          usage: {
            ...none,
            inputTokens: 12,
            outputTokens: null,
            totalTokens: 12,
            reasoningTokens: null,
          },
        },
      ],
      [{ type: 'text', text: 'Grüße 😀, ' }],
      [{ type: 'text', text: 'wie geht' }],
      [
        { type: 'text', text: ' es?' },
        {
          type: 'usage',
          // Thoughts are billed as output, so they are part of it.
          usage: {
            ...none,
            inputTokens: 12,
            outputTokens: 9,
            totalTokens: 21,
            cachedInputTokens: 4,
            reasoningTokens: 3,
          },
        },
      ],
      [{ type: 'finish', reason: 'stop', rawReason: 'STOP' }],
    ])
  })

  it.each([
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['BLOCKLIST', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['SPII', 'content_filter'],
    ['MODEL_ARMOR', 'content_filter'],
    ['OTHER', 'other'],
    ['LANGUAGE', 'other'],
  ])('maps the finish reason %s to %s', async (raw, reason) => {
    const events = await eventsOf(candidate([{ text: 'a' }]), candidate([], raw))
    expect(events.at(-1)).toEqual({ type: 'finish', reason, rawReason: raw })
  })

  it('that was blocked says so without text, for the answer and for the prompt', async () => {
    const answer = await eventsOf({ candidates: [{ finishReason: 'SAFETY' }] })
    expect(answer.at(-1)).toMatchObject({ reason: 'content_filter', rawReason: 'SAFETY' })
    const prompt = await eventsOf({
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 },
    })
    expect(prompt.map(({ type }) => type)).toEqual(['start', 'usage', 'finish'])
    expect(prompt.at(-1)).toMatchObject({ rawReason: 'PROHIBITED_CONTENT' })
  })

  it.each(['MALFORMED_FUNCTION_CALL', 'OTHER', 'STOP'])(
    'that is empty and ends with %s is an error',
    async (raw) => {
      const { error } = await streamed(candidate([], raw))
      expect(error).toMatchObject({ code: 'provider_empty_response' })
    },
  )

  it('with an unspecified finish reason has not finished', async () => {
    const { error } = await streamed(candidate([{ text: 'a' }], 'FINISH_REASON_UNSPECIFIED'))
    expect(error).toMatchObject({ code: 'provider_stream_truncated' })
  })

  it('gives calls and signatures back verbatim to the same model only', async () => {
    const { answer, batches } = await streamed(
      candidate([{ text: 'I will look. ', thoughtSignature: 'sig-text' }]),
      candidate([{ functionCall: { name: 'one', args: { x: 1 } }, thoughtSignature: 'sig-call' }]),
      candidate([{ functionCall: { name: 'two' } }]),
      candidate([{ text: '', thoughtSignature: 'sig-end' }], 'STOP'),
    )
    const calls = batches.flat().filter(({ type }) => type === 'tool_call')
    expect(calls).toMatchObject([
      { id: 'call_new', name: 'one', arguments: '{"x":1}' },
      { id: 'call_new', name: 'two', arguments: '{}' },
    ])
    expect(answer.finish).toEqual({ reason: 'tool_calls', rawReason: 'STOP' })
    const replay = (model: string): unknown => {
      const message = { role: 'assistant' as const, content: '', parts: answer.parts }
      return toGenerateContentRequest({ ...asked, model, messages: [message] })['contents']
    }
    expect(replay(asked.model)).toEqual([
      {
        role: 'model',
        parts: [
          { text: 'I will look. ', thoughtSignature: 'sig-text' },
          { text: '', thoughtSignature: 'sig-end' },
          { functionCall: { name: 'one', args: { x: 1 } }, thoughtSignature: 'sig-call' },
          { functionCall: { name: 'two', args: {} } },
        ],
      },
    ])
    expect(JSON.stringify(replay('gemini-2.5-pro'))).not.toContain('sig')
  })
})

describe('a whole Gemini answer', () => {
  it('becomes an answer', async () => {
    const body = {
      ...candidate([{ text: 'hm', thought: true }, { text: 'Hi' }], 'STOP'),
      usageMetadata: { promptTokenCount: 1, toolUsePromptTokenCount: 2, candidatesTokenCount: 3 },
    }
    const send = fetchOf([encode(JSON.stringify(body))], 'application/json')
    const answer = await completeModel(vertexAdapter('http://x'), asked, { fetch: send })
    expect(answer).toMatchObject({
      content: 'Hi',
      usage: { inputTokens: 3, outputTokens: 3, reasoningTokens: null, toolInputTokens: 2 },
      finish: { reason: 'stop' },
    })
  })
})
