import { describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { toChatCompletionRequest } from '../../../supabase/functions/_shared/models/openai-request.ts'
import { delta, doneFrame, openRouterFrames, TEXT } from './recorded.ts'
import { collect, encode, fetchOf, openRouter, request } from './support.ts'

const frame = (body: unknown): Uint8Array => encode(`data: ${JSON.stringify(body)}\n\n`)
const choice = (delta: unknown, finish_reason: string | null = null): Uint8Array =>
  frame({ id: 'gen-1', model: 'm', choices: [{ index: 0, delta, finish_reason }] })

async function eventsOf(...chunks: Uint8Array[]): Promise<ModelEvent[]> {
  const options = { fetch: fetchOf(chunks), newId: () => 'new' }
  const { batches, error } = await collect(openRouter('http://x'), options)
  expect(error).toBeNull()
  return batches.flat()
}

const openRouterDialect = { provider: 'openrouter', openRouter: true }

describe('a chat completion stream', () => {
  it('becomes start, reasoning, text, usage and finish', async () => {
    const { batches } = await collect(openRouter('http://x'), {
      fetch: fetchOf(openRouterFrames.map(encode)),
    })
    expect(batches).toEqual([
      [
        { type: 'start', requestId: 'gen-1', model: 'openai/gpt-4' },
        { type: 'reasoning', text: 'Höflich.' },
      ],
      [{ type: 'text', text: 'Grüße 😀, ' }],
      [{ type: 'text', text: 'wie geht' }],
      [{ type: 'text', text: ' es?' }],
      [
        {
          type: 'usage',
          usage: {
            inputTokens: 12,
            outputTokens: 9,
            totalTokens: 21,
            cachedInputTokens: 4,
            cacheWriteTokens: 2,
            reasoningTokens: 3,
            toolInputTokens: null,
            costUsd: 0.00042,
          },
        },
      ],
      [{ type: 'finish', reason: 'stop', rawReason: 'stop' }],
    ])
  })

  it('joins all text of one read into one event', async () => {
    const { batches } = await collect(openRouter('http://x'), {
      fetch: fetchOf([encode(openRouterFrames.join(''))]),
    })
    expect(batches).toHaveLength(1)
    expect(batches[0]?.map(({ type }) => type)).toEqual([
      'start',
      'reasoning',
      'text',
      'usage',
      'finish',
    ])
    expect(batches[0]?.[2]).toEqual({ type: 'text', text: TEXT })
  })

  it('hands out what came before a broken event in the same read', async () => {
    for (const broken of ['data: {{\n\n', `data: ${'x'.repeat(10 * 1024 * 1024)}`]) {
      const fetch = fetchOf([encode(delta('a') + broken)])
      const { answer, error } = await collect(openRouter('http://x'), { fetch })
      expect(answer.content).toBe('a')
      expect(error).toMatchObject({ code: 'provider_malformed_response', outputSeen: true })
    }
  })

  it('takes the id from X-Generation-Id when it is there', async () => {
    const inner = fetchOf(openRouterFrames.map(encode))
    const { answer } = await collect(openRouter('http://x'), {
      fetch: async (...args) => {
        const response = await inner(...args)
        response.headers.set('x-generation-id', 'gen-header')
        return response
      },
    })
    expect(answer.requestId).toBe('gen-header')
  })

  it('shows tool calls as they come, and whole, in order, at the end', async () => {
    const events = await eventsOf(
      choice({ content: 'Let me see. ' }),
      choice({ tool_calls: [{ index: 1, id: 'b', function: { name: 'two', arguments: '' } }] }),
      choice({
        tool_calls: [{ index: 0, id: 'a', function: { name: 'one', arguments: '{"x":' } }],
      }),
      choice({ tool_calls: [{ index: 0, function: { arguments: '1}' } }] }),
      choice({}, 'tool_calls'),
      encode(doneFrame),
    )
    expect(events.slice(1)).toEqual([
      { type: 'text', text: 'Let me see. ' },
      { type: 'tool_call_delta', id: 'b', name: 'two', arguments: '' },
      { type: 'tool_call_delta', id: 'a', name: 'one', arguments: '{"x":' },
      { type: 'tool_call_delta', id: 'a', name: 'one', arguments: '1}' },
      { type: 'tool_call', id: 'a', name: 'one', arguments: '{"x":1}' },
      { type: 'tool_call', id: 'b', name: 'two', arguments: '{}' },
      { type: 'finish', reason: 'tool_calls', rawReason: 'tool_calls' },
    ])
  })

  it('makes no call of one that the length limit cut', async () => {
    const call = { index: 0, id: 'a', function: { name: 'pay', arguments: '{"amount": 1' } }
    const events = await eventsOf(choice({ tool_calls: [call] }), choice({}, 'length'))
    expect(events.map(({ type }) => type)).toEqual(['start', 'tool_call_delta', 'finish'])
  })

  it.each([
    ['of calls', (n: number) => ({ index: n, function: { name: 'f', arguments: '{}' } })],
    ['of arguments', () => ({ index: 0, function: { name: 'f', arguments: 'x'.repeat(8_192) } })],
  ])('stops at a stream %s that has no end', async (_, call) => {
    const frames = Array.from({ length: 1_500 }, (_, n) => choice({ tool_calls: [call(n)] }))
    const { answer, error } = await collect(openRouter('http://x'), { fetch: fetchOf(frames) })
    expect(error).toMatchObject({ code: 'provider_malformed_response', fault: 'provider' })
    expect(answer.parts).toEqual([])
  })

  it('says tool_calls whatever reason comes with calls, and makes ids where none are given', async () => {
    const call = { function: { name: 'one', arguments: '{}' } }
    const events = await eventsOf(choice({ tool_calls: [call] }), choice({}, 'stop'))
    expect(events.slice(2)).toEqual([
      { type: 'tool_call', id: 'call_new', name: 'one', arguments: '{}' },
      { type: 'finish', reason: 'tool_calls', rawReason: 'stop' },
    ])
  })

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['function_call', 'tool_calls'],
    ['eos', 'stop'],
  ])('maps the finish reason %s to %s', async (raw, reason) => {
    const events = await eventsOf(choice({ content: 'a' }), choice({}, raw))
    expect(events.at(-1)).toEqual({ type: 'finish', reason, rawReason: raw })
  })

  it.each(['length', 'content_filter'])('may be empty when it ends with %s', async (raw) => {
    const events = await eventsOf(choice({}, raw))
    expect(events.map(({ type }) => type)).toEqual(['start', 'finish'])
  })

  it('reads typed content, refusals and DeepSeek’s reasoning', async () => {
    const events = await eventsOf(
      choice({ reasoning_content: 'hm' }),
      choice({ content: [{ type: 'text', text: 'a' }, { type: 'later' }] }),
      choice({ refusal: 'No.' }),
      choice({}, 'stop'),
    )
    expect(events.slice(1, 4)).toEqual([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'a' },
      { type: 'refusal', text: 'No.' },
    ])
  })

  it('ignores a second choice', async () => {
    const events = await eventsOf(
      choice({ content: 'a' }),
      frame({ choices: [{ index: 1, delta: { content: 'b' }, finish_reason: 'stop' }] }),
      choice({}, 'stop'),
    )
    expect(events[1]).toEqual({ type: 'text', text: 'a' })
  })

  it.each([
    { prompt_tokens: -1, completion_tokens: 1.5, total_tokens: '-9', cost: -2 },
    { prompt_tokens: 2e9, completion_tokens: 1e300, total_tokens: 9007199254740991, cost: 1e10 },
  ])('reads no nonsense as usage: %j', async (usage) => {
    const events = await eventsOf(
      choice({ content: 'a' }),
      choice({}, 'stop'),
      frame({ choices: [], usage }),
    )
    const found = events.find((event) => event.type === 'usage')
    expect(new Set(Object.values(found?.usage ?? { none: 0 }))).toEqual(new Set([null]))
  })

  it('collects signed reasoning for replay to the same model', async () => {
    const piece = (rest: Record<string, unknown>): Uint8Array =>
      choice({ reasoning_details: [{ type: 'reasoning.text', index: 0, ...rest }] })
    const { answer } = await collect(openRouter('http://x'), {
      fetch: fetchOf([
        piece({ text: 'First ' }),
        piece({ text: 'then.', signature: null }),
        piece({ signature: 'sig' }),
        choice({ content: 'Done' }),
        choice({}, 'stop'),
      ]),
    })
    const details = [{ type: 'reasoning.text', index: 0, text: 'First then.', signature: 'sig' }]
    const assistant = { role: 'assistant' as const, content: answer.content, parts: answer.parts }
    const sent = (model: string): unknown =>
      toChatCompletionRequest(
        { ...request, model, messages: [assistant] },
        true,
        openRouterDialect,
      )['messages']
    expect(sent(request.model)).toContainEqual({
      role: 'assistant',
      content: 'Done',
      reasoning_details: details,
    })
    expect(sent('another/model')).toContainEqual({ role: 'assistant', content: 'Done' })
  })
})

describe('a whole chat completion', () => {
  it('becomes an answer', async () => {
    const message = { role: 'assistant', content: 'Hi', reasoning: 'hm', refusal: null }
    const body = {
      id: 'gen-9',
      model: 'openai/gpt-4',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    }
    const send = fetchOf([encode(JSON.stringify(body))], 'application/json')
    const answer = await completeModel(openRouter('http://x'), request, { fetch: send })
    expect(answer).toMatchObject({
      requestId: 'gen-9',
      model: 'openai/gpt-4',
      content: 'Hi',
      parts: [
        { type: 'reasoning', text: 'hm' },
        { type: 'text', text: 'Hi' },
      ],
      usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 },
      finish: { reason: 'stop', rawReason: 'stop' },
    })
  })
})
