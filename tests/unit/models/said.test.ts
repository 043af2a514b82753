import { describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import type { ModelAnswer } from '../../../supabase/functions/_shared/models/model-answer.ts'
import { collect, encode, fetchOf, openRouter, request } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

type Delta = Record<string, unknown>
const frame = (choice: object) => encode(`data: ${JSON.stringify({ choices: [choice] })}\n\n`)
const finish = frame({ delta: {}, finish_reason: 'stop' })

async function streamed(...deltas: Delta[]): Promise<{ answer: ModelAnswer; error: unknown }> {
  const fetch = fetchOf([...deltas.map((delta) => frame({ index: 0, delta })), finish])
  let ids = 0
  const newId = () => `new${(ids += 1)}`
  return collect(openRouter('http://x'), { fetch, newId })
}

async function whole(message: object): Promise<ModelAnswer> {
  const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] })
  const fetch = fetchOf([encode(body)], 'application/json')
  return completeModel(openRouter('http://x'), request, { fetch, newId: () => 'new1' })
}

const callsOf = ({ parts }: ModelAnswer) =>
  parts.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.name, part.arguments]] : []))
const piece = (args: unknown, rest: object = {}) => ({
  index: 0,
  ...rest,
  function: { ...('name' in rest ? { name: rest.name } : {}), arguments: args },
})
const bern = '{"city":"Bern"}'
const oslo = '{"city":"Oslo"}'

/** How services tell their calls apart; each of these is two calls of one tool, unless it says so. */
const dialects: [string, object[], [string, string, string][]?][] = [
  [
    'an index each',
    [piece(bern, { id: 'a', name: 'w' }), piece(oslo, { index: 1, id: 'b', name: 'w' })],
  ],
  [
    'one index, an id each',
    [piece(bern, { id: 'a', name: 'w' }), piece(oslo, { id: 'b', name: 'w' })],
  ],
  [
    'one index, ids and halves',
    [
      piece('{"city":', { id: 'a', name: 'w' }),
      piece('"Bern"}'),
      piece('{"city":', { id: 'b', name: 'w' }),
      piece('"Oslo"}'),
    ],
  ],
  [
    'halves that come by id alone, in turns',
    [
      { id: 'a', function: { name: 'w', arguments: '{"city":' } },
      { id: 'b', function: { name: 'w', arguments: '{"city":' } },
      { id: 'a', function: { arguments: '"Bern"}' } },
      { id: 'b', function: { arguments: '"Oslo"}' } },
    ],
  ],
  [
    'the id and the name in every piece',
    [
      piece('{"city":', { id: 'a', name: 'w' }),
      piece('"Bern"}', { id: 'a', name: 'w' }),
      piece(oslo, { index: 1, id: 'b', name: 'w' }),
    ],
  ],
  [
    'no id and one index',
    [piece(bern, { name: 'w' }), piece(oslo, { name: 'w' })],
    [
      ['call_new1', 'w', bern],
      ['call_new2', 'w', oslo],
    ],
  ],
  [
    'neither id nor index',
    [{ function: { name: 'w', arguments: bern } }, { function: { name: 'w', arguments: oslo } }],
    [
      ['call_new1', 'w', bern],
      ['call_new2', 'w', oslo],
    ],
  ],
  [
    'the same id twice, in two places',
    [
      piece(bern, { id: 'a', name: 'w' }),
      piece('', { id: 'a' }),
      piece(oslo, { index: 1, name: 'w' }),
    ],
    [
      ['a', 'w', bern],
      ['call_new1', 'w', oslo],
    ],
  ],
  [
    'another id for each half of one call',
    [piece('{"city":', { id: 'a', name: 'w' }), piece('"Bern"}', { id: 'x' })],
    [['a', 'w', bern]],
  ],
  [
    'the name again with the second half of one call',
    [piece('{"city":', { name: 'w' }), piece('"Bern"}', { name: 'w' })],
    [['call_new1', 'w', bern]],
  ],
  ['arguments as an object', [piece({ city: 'Bern' }, { id: 'a', name: 'w' })], [['a', 'w', bern]]],
  ['no arguments', [piece(undefined, { id: 'a', name: 'w' })], [['a', 'w', '{}']]],
]

describe('calls of tools', () => {
  const two: [string, string, string][] = [
    ['a', 'w', bern],
    ['b', 'w', oslo],
  ]

  it.each(dialects)('are told apart with %s', async (_, pieces, expected = two) => {
    for (const batches of [pieces.map((one) => [one]), [pieces]]) {
      const { answer, error } = await streamed(...batches.map((tool_calls) => ({ tool_calls })))
      expect(error).toBeNull()
      expect(callsOf(answer)).toEqual(expected)
    }
  })

  it('of a whole answer are one each, whatever their indexes and ids', async () => {
    const call = { index: 0, id: 'a', function: { name: 'w', arguments: bern } }
    const answer = await whole({
      tool_calls: [call, { ...call, function: { name: 'w', arguments: { city: 'Oslo' } } }],
    })
    expect(callsOf(answer)).toEqual([
      ['a', 'w', bern],
      ['call_new1', 'w', oslo],
    ])
  })

  it.each([
    { tool_calls: [piece(['Bern'], { id: 'a', name: 'w' })] },
    { tool_calls: [piece(7, { id: 'a', name: 'w' })] },
    { tool_calls: [piece(bern, { id: 'a', name: { w: 1 } })] },
    { tool_calls: [piece(bern, { id: 'a' })] },
    { tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'w', input: 'x' } }] },
    { tool_calls: [{ id: 'a', function: 'w' }] },
    { tool_calls: { name: 'w' } },
    { tool_calls: ['w'] },
  ])('that are not understood never become calls: %j', async (delta) => {
    const { answer, error } = await streamed(delta)
    expect(error).toMatchObject({ code: 'provider_malformed_response' })
    expect(callsOf(answer)).toEqual([])
    await expect(whole(delta)).rejects.toMatchObject({ code: 'provider_malformed_response' })
  })

  it('in the older form are calls', async () => {
    const { answer } = await streamed({ function_call: { name: 'w', arguments: bern } })
    expect(callsOf(answer)).toEqual([['call_new1', 'w', bern]])
  })
})

describe('what is said beside text', () => {
  const citation = { url: 'https://a.test/x', title: 'X', start_index: 1, end_index: 4 }
  const source = { type: 'source', ...citation }

  it.each([
    ['annotations', { annotations: [{ type: 'url_citation', url_citation: citation }] }],
    ['annotations without an envelope', { annotations: [{ type: 'url_citation', ...citation }] }],
  ])('is a source: %s', async (_, rest) => {
    for (const answer of [
      await whole({ content: 'a', ...rest }),
      (await streamed({ content: 'a' }, rest, rest)).answer,
    ]) {
      expect(answer.parts).toEqual([{ type: 'text', text: 'a' }, source])
    }
  })

  it('is a source in the lists of Perplexity and xAI, and never another scheme than http', async () => {
    const body = {
      choices: [{ message: { content: 'a' }, finish_reason: 'stop' }],
      citations: ['https://a.test/x', 'javascript:alert(1)', 'data:text/html,x', 7],
      search_results: [{ title: 'X', url: 'https://a.test/x' }],
    }
    const fetch = fetchOf([encode(JSON.stringify(body))], 'application/json')
    const { parts } = await completeModel(openRouter('http://x'), request, { fetch })
    expect(parts.slice(1)).toEqual([{ type: 'source', url: 'https://a.test/x', title: 'X' }])
  })

  it('is a source of Gemini’s search', async () => {
    const candidate = {
      content: { parts: [{ text: 'a' }] },
      finishReason: 'STOP',
      groundingMetadata: { groundingChunks: [{ web: { uri: 'https://a.test/x', title: 'X' } }] },
    }
    const fetch = fetchOf([encode(JSON.stringify({ candidates: [candidate] }))], 'application/json')
    const { parts } = await completeModel(vertexAdapter('http://x'), request, {
      fetch: (...args) =>
        (args[0] as string).includes('generateContent')
          ? fetch(...args)
          : Promise.resolve(Response.json({ access_token: 't', expires_in: 3600 })),
    })
    expect(parts[1]).toEqual({ type: 'source', url: 'https://a.test/x', title: 'X' })
  })

  it('is a refusal, and no answer', async () => {
    const said = { type: 'refusal', text: 'I cannot do that.' }
    expect((await whole({ content: null, refusal: said.text })).parts).toEqual([said])
    const { answer } = await streamed({ refusal: 'I cannot ' }, { refusal: 'do that.' })
    expect(answer.parts).toEqual([said])
  })

  it.each([
    { content: 'Here.', images: [{ image_url: { url: 'data:image/svg+xml,<svg/>' } }] },
    { content: 'Here.', images: [{ image_url: { url: 'data:audio/mpeg;base64,AA==' } }] },
    { content: null, images: [{ image_url: { url: 'data:image/png;base64,"\n' } }] },
    { content: null, images: ['data:image/png;base64,AA=='] },
    { content: null, images: [{ type: 'image_url', image_url: { url: 'https://a.test/b.png' } }] },
    { content: [{ type: 'image_url', image_url: { url: 'https://a.test/b.png' } }] },
    { content: null, audio: { id: 'a', data: 'AA==' } },
  ])('is a stated error where it cannot be passed on: %j', async (message) => {
    const code = 'provider_unsupported_output'
    await expect(whole(message)).rejects.toMatchObject({ code, fault: 'caller' })
    expect((await streamed(message)).error).toMatchObject({ code })
  })

  it('is thought, where Mistral says it', async () => {
    const thinking = [{ type: 'text', text: 'Hm.' }]
    const { answer } = await streamed(
      { content: [{ type: 'thinking', thinking }] },
      { content: 'a' },
    )
    expect(answer.parts).toEqual([
      { type: 'reasoning', text: 'Hm.' },
      { type: 'text', text: 'a' },
    ])
  })
})

describe('a whole answer to a streamed request', () => {
  const body = {
    id: 'gen-1',
    choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  }

  it.each(['application/json', 'application/json; charset=utf-8', 'text/plain', ''])(
    'is the answer, as %j',
    async (type) => {
      const fetch = fetchOf([encode(JSON.stringify(body))], type)
      const { answer, error, batches } = await collect(openRouter('http://x'), { fetch })
      expect(error).toBeNull()
      expect(answer).toMatchObject({
        content: 'Hi',
        usage: { outputTokens: 2 },
        finish: { reason: 'stop' },
      })
      expect(batches.flat().at(-1)).toMatchObject({ type: 'finish' })
    },
  )
})
