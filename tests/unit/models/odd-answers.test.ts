import { describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import type { ModelAnswer } from '../../../supabase/functions/_shared/models/model-answer.ts'
import { readOpenAiUsage } from '../../../supabase/functions/_shared/models/openai-usage.ts'
import { failureOfStatus } from '../../../supabase/functions/_shared/models/provider-failure.ts'
import { collect, encode, fetchOf, openRouter, request } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

const event = (body: unknown) =>
  `data: ${typeof body === 'string' ? body : JSON.stringify(body)}\n\n`
const streamed = async (texts: readonly string[], type = 'text/event-stream') => {
  const { answer, error } = await collect(openRouter('http://x'), {
    fetch: fetchOf(texts.map(encode), type),
  })
  if (error !== null) throw error as Error
  return answer
}
const whole = (choice: object, more: object = {}) =>
  completeModel(openRouter('http://x'), request, {
    fetch: fetchOf([encode(JSON.stringify({ choices: [choice], ...more }))], 'application/json'),
  })
const callsOf = ({ parts }: ModelAnswer) =>
  parts.flatMap((part) => (part.type === 'tool_call' ? [part.name] : []))
const done = { message: { content: 'Hi' }, finish_reason: 'stop' }

describe('an answer is read', () => {
  it.each<[string, string[], string?]>([
    [
      'with a place that is a text',
      [event({ choices: [{ index: '0', delta: { content: 'Hi' }, finish_reason: 'stop' }] })],
    ],
    [
      'with an error that is empty',
      [event({ error: {}, choices: [{ delta: { content: 'Hi' }, finish_reason: 'stop' }] })],
    ],
    [
      'with an error that has no words',
      [event({ error: '', choices: [{ delta: { content: 'Hi' }, finish_reason: 'stop' }] })],
    ],
    [
      'after events that say nothing',
      [
        'data:\n\n',
        'data: \n\n',
        event({ choices: [{ delta: { content: 'Hi' }, finish_reason: 'stop' }] }),
        'data: [DONE] \n\n',
      ],
    ],
    ['in one frame, as a message', [event({ choices: [done] }), event('[DONE]')]],
    [
      'once, where it stands in a last frame too',
      [event({ choices: [{ delta: { content: 'Hi' } }] }), event({ choices: [done] })],
    ],
    [
      'as a stream with another type',
      [event({ choices: [{ delta: { content: 'Hi' }, finish_reason: 'stop' }] }), event('[DONE]')],
      'text/plain',
    ],
    [
      'as a stream without a type',
      [`: hello\n\n${event({ choices: [{ delta: { content: 'Hi' }, finish_reason: 'stop' }] })}`],
      '',
    ],
    [
      'in parts that are texts',
      [
        event({
          choices: [
            { delta: { content: ['H', { type: 'text', text: 'i' }] }, finish_reason: 'stop' },
          ],
        }),
      ],
    ],
    [
      'in a part without its list',
      [
        event({
          choices: [{ delta: { content: { type: 'text', text: 'Hi' } }, finish_reason: 'stop' }],
        }),
      ],
    ],
  ])('%s', async (_how, texts, type) => {
    expect(await streamed(texts, type)).toMatchObject({
      content: 'Hi',
      finish: { reason: 'stop' },
    })
  })

  it('is no answer where a stream of another type is cut', async () => {
    const cut = streamed([event({ choices: [{ delta: { content: 'Hi' } }] })], 'text/plain')
    await expect(cut).rejects.toMatchObject({ code: 'provider_stream_truncated' })
  })
})

describe('the reason of an end is read in the words of', () => {
  it.each([
    ['STOP', 'stop'],
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['eos_token', 'stop'],
    ['COMPLETE', 'stop'],
    ['max_tokens', 'length'],
    ['model_length', 'length'],
    ['sensitive', 'content_filter'],
    ['insufficient_system_resource', 'other'],
  ])('%s', async (finish_reason, reason) => {
    expect((await whole({ ...done, finish_reason })).finish).toMatchObject({
      reason,
      rawReason: finish_reason,
    })
  })

  it.each(['tool_use', 'TOOL_CALLS', 'tool_call'])('a call: %s', async (finish_reason) => {
    const tool_calls = [{ id: 'a', function: { name: 'w', arguments: '{}' } }]
    const answer = await whole({ message: { content: null, tool_calls }, finish_reason })
    expect([callsOf(answer), answer.finish?.reason]).toEqual([['w'], 'tool_calls'])
  })
})

it('a picture may come with parameters in its address', async () => {
  const url = 'data:image/png;charset=binary;base64,AAAA'
  const message = { content: '', images: [{ type: 'image_url', image_url: { url } }] }
  const { parts } = await whole({ message, finish_reason: 'stop' })
  expect(parts).toMatchObject([{ url: 'data:image/png;base64,AAAA' }])
})

describe('what an answer used is read', () => {
  it('from numbers that are texts', () => {
    expect(
      readOpenAiUsage({
        prompt_tokens: '10',
        completion_tokens: '5',
        total_tokens: '15',
        cost: '6e-05',
      }),
    ).toMatchObject({ inputTokens: 10, outputTokens: 5, totalTokens: 15, costUsd: 0.000_06 })
  })

  it.each(['', ' ', '-1', '1.5', 'NaN', '0x10', '1e999', [], {}, true])(
    'and %j is no number of tokens',
    (prompt_tokens) => {
      const used = readOpenAiUsage({ prompt_tokens, completion_tokens: 5 })
      expect(used).toMatchObject({ inputTokens: null, outputTokens: 5 })
    },
  )

  it('from a cost in parts', () => {
    const cost = { input_tokens_cost: 0.1, output_tokens_cost: 0.2, total_cost: 0.3 }
    expect(readOpenAiUsage({ prompt_tokens: 1, completion_tokens: 1, cost })).toMatchObject({
      costUsd: 0.3,
    })
  })

  const gemini = async (usageMetadata: object) => {
    const body = {
      candidates: [
        { index: '0', content: { parts: [{ text: 'Hi' }, { text: null }] }, finishReason: 'STOP' },
      ],
      promptFeedback: { blockReason: 'BLOCK_REASON_UNSPECIFIED' },
      usageMetadata,
    }
    const fetch = fetchOf([encode(JSON.stringify(body))], 'application/json')
    return completeModel(
      vertexAdapter('http://x'),
      { ...request, model: 'gemini-2.5-pro' },
      { fetch },
    )
  }
  it.each<[object, object]>([
    // Thoughts that only the total counts.
    [
      { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 115 },
      { inputTokens: 10, outputTokens: 105, totalTokens: 115, isEstimated: true },
    ],
    [
      { promptTokenCount: 10, totalTokenCount: 115 },
      { inputTokens: 10, outputTokens: 105, totalTokens: 115 },
    ],
    [
      { promptTokenCount: 10, candidatesTokenCount: 5, cachedContentTokenCount: 900 },
      { inputTokens: 910, outputTokens: 5, isEstimated: true },
    ],
    [
      {
        promptTokenCount: '10',
        candidatesTokenCount: '5',
        thoughtsTokenCount: 100,
        totalTokenCount: 115,
      },
      { inputTokens: 10, outputTokens: 105, totalTokens: 115 },
    ],
  ])('of Gemini: %j', async (reported, counts) => {
    const { content, usage } = await gemini(reported)
    expect(content).toBe('Hi')
    expect(usage).toMatchObject(counts)
  })
})

describe('a refusal says its reason', () => {
  const long = "This model's maximum context length is 8192 tokens."
  it.each<[object, string]>([
    [{ error: long }, 'as a sentence'],
    [{ detail: long }, 'beside `detail`'],
    [{ message: long, code: 400 }, 'without an error around it'],
    [{ message: null, detail: long }, 'with a message that is null'],
    [{ error: { message: long, code: null, type: null } }, 'with nulls'],
  ])('%j, %s', (body, _how) => {
    const response = { status: 400, headers: new Headers() }
    const context = { secrets: [], now: 0 }
    const { code } = failureOfStatus(response, JSON.stringify(body), false, context)
    expect(code).toBe('context_length_exceeded')
  })
})
