import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type {
  ModelEvent,
  ModelRequest,
} from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { agentsApp, fakeModels, helloAnswer } from '../../support/agents/agents-fixture.ts'
import { readPublishedTypes } from '../../support/clients/published-types.ts'

/** OpenAI's SDK at the function, over a model that says these events. */
function clientOf(events: readonly (readonly ModelEvent[])[] = helloAnswer) {
  const asked: ModelRequest[] = []
  const { app, calls } = agentsApp({
    models: fakeModels((_, request) => {
      asked.push(request)
      return events
    }),
  })
  const send: typeof fetch = async (url, init) => app.request(new Request(url, init))
  const baseURL = 'http://x/agents/v1'
  const client = new OpenAI({ apiKey: 'token', baseURL, fetch: send, maxRetries: 0 })
  return { client, asked, calls }
}

const start: ModelEvent = { type: 'start', requestId: null, model: 'm' }
const stop: ModelEvent = { type: 'finish', reason: 'stop', rawReason: 'stop' }
const call: ModelEvent = { type: 'tool_call', id: 'c1', name: 'w', arguments: '{"city":"Bern"}' }
const everything: readonly ModelEvent[][] = [
  [start, { type: 'reasoning', text: 'Hm' }, { type: 'reasoning', text: '.' }],
  [{ type: 'text', text: 'Let me ' }],
  [
    { type: 'text', text: 'see.' },
    { type: 'source', url: 'https://a.test/x', title: 'X', start_index: 0, end_index: 3 },
    { type: 'tool_call_delta', id: 'c1', name: 'w', arguments: '{"city":' },
  ],
  [{ type: 'tool_call_delta', id: 'c1', name: 'w', arguments: '"Bern"}' }],
  [call, { ...stop, reason: 'tool_calls' }],
]
const tools = [
  { type: 'function' as const, name: 'w', parameters: { type: 'object' }, strict: false },
]
const model = 'droid/first'

describe('a response', () => {
  it('has thoughts, text with its sources, and calls as items', async () => {
    const { client } = clientOf(everything)
    const response = await client.responses.create({ model, input: 'Hi', tools })
    expect(response).toMatchObject({ object: 'response', status: 'completed', model, error: null })
    expect(response.id).toMatch(/^resp_/)
    expect(response.output_text).toBe('Let me see.')
    expect(response.output).toMatchObject([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
      {
        type: 'message',
        status: 'completed',
        content: [
          {
            type: 'output_text',
            text: 'Let me see.',
            annotations: [{ type: 'url_citation', url: 'https://a.test/x', title: 'X' }],
          },
        ],
      },
      { type: 'function_call', call_id: 'c1', name: 'w', arguments: '{"city":"Bern"}' },
    ])
  })

  it('is streamed as events from which the SDK puts the same response together', async () => {
    const whole = await clientOf(everything).client.responses.create({ model, input: 'Hi', tools })
    const stream = clientOf(everything).client.responses.stream({ model, input: 'Hi', tools })
    const events: { type: string; sequence_number: number }[] = []
    for await (const event of stream) events.push(event)
    const { output, status } = await stream.finalResponse()
    expect(status).toBe('completed')
    expect(JSON.parse(JSON.stringify(output)) as unknown).toMatchObject(whole.output)
    expect(events.map((event) => event.sequence_number)).toEqual([...events.keys()])
    const count = (type: string) => events.filter((event) => event.type === type).length
    expect(count('response.created')).toBe(1)
    expect(count('response.completed')).toBe(1)
    expect(count('response.output_item.added')).toBe(3)
    expect(count('response.output_item.done')).toBe(3)
    expect(count('response.function_call_arguments.delta')).toBe(2)
  })

  it('that is a refusal says so, and one that was cut is incomplete', async () => {
    const refused = clientOf([[start, { type: 'refusal', text: 'No.' }, stop]])
    const response = await refused.client.responses.create({ model, input: 'Hi' })
    expect(response.output).toMatchObject([{ content: [{ type: 'refusal', refusal: 'No.' }] }])
    const length: ModelEvent = { type: 'finish', reason: 'length', rawReason: 'length' }
    const cut = clientOf([[start, { type: 'text', text: 'He' }, length]])
    for (const stream of [false, true]) {
      const { status, incomplete_details } = stream
        ? await cut.client.responses.stream({ model, input: 'Hi' }).finalResponse()
        : await cut.client.responses.create({ model, input: 'Hi' })
      expect({ status, incomplete_details }).toEqual({
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
      })
    }
  })

  it('that fails in mid-answer ends with its error', async () => {
    const { client } = clientOf([[start, { type: 'text', text: 'He' }]])
    const events: string[] = []
    const read = async () => {
      const stream = await client.responses.create({ model, input: 'Hi', stream: true })
      for await (const event of stream) events.push(event.type)
    }
    await read()
    expect(events).toContain('response.output_text.delta')
    expect(events.slice(-2)).toEqual(['error', 'response.failed'])
  })
})

describe('what a response is asked for', () => {
  it('reaches the model in its own words', async () => {
    const { client, asked } = clientOf()
    const schema = { type: 'object', properties: {}, required: [], additionalProperties: false }
    await client.responses.create({
      model,
      instructions: 'Be brief.',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Hi' },
            { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'auto' },
          ],
        },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Wait.', annotations: [] }],
        },
        {
          type: 'function_call',
          id: 'fc_1',
          call_id: 'c1',
          name: 'w',
          arguments: '{}',
          status: 'completed',
        },
        { type: 'function_call_output', call_id: 'c1', output: 'Sunny' },
      ],
      tools,
      tool_choice: { type: 'function', name: 'w' },
      parallel_tool_calls: false,
      text: { format: { type: 'json_schema', name: 'a', schema } },
      reasoning: { effort: 'low', summary: 'auto' },
      max_output_tokens: 50,
      store: false,
      include: ['reasoning.encrypted_content'],
    })
    const [request] = asked
    expect(request?.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: 'Hi',
        parts: [
          { type: 'text', text: 'Hi' },
          { type: 'image', url: 'data:image/png;base64,AA==', media_type: 'image/png' },
        ],
      },
      {
        role: 'assistant',
        content: '',
        parts: [
          { type: 'text', text: 'Wait.' },
          { type: 'tool_call', id: 'c1', name: 'w', arguments: '{}' },
        ],
      },
      {
        role: 'tool',
        content: '',
        parts: [{ type: 'tool_result', tool_call_id: 'c1', name: 'w', content: 'Sunny' }],
      },
    ])
    expect(request).toMatchObject({
      tools: [{ name: 'w', strict: false }],
      toolChoice: { name: 'w' },
      parallelToolCalls: false,
      responseFormat: { type: 'json_schema', name: 'a', strict: false },
    })
  })

  it('may refer to items of an answer before, by their ids', async () => {
    const { client, asked } = clientOf(everything)
    const { output } = await client.responses.create({ model, input: 'Hi', tools })
    await client.responses.create({
      model,
      tools,
      input: [
        { role: 'user', content: 'Hi' },
        ...output.map(({ id }) => ({ type: 'item_reference' as const, id: id ?? '' })),
        { type: 'function_call_output', call_id: 'c1', output: 'Sunny' },
      ],
    })
    expect(asked[1]?.messages[1]?.parts).toEqual([
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_call', id: 'c1', name: 'w', arguments: '{"city":"Bern"}' },
    ])
  })

  it('counts what it refers to as if the client had sent it', async () => {
    const { client, calls } = clientOf([[start, { type: 'text', text: 'é'.repeat(50_000) }, stop]])
    const { output } = await client.responses.create({ model, input: 'Hi' })
    const id = output[0]?.id ?? ''
    const refer = (count: number) => ({
      model,
      input: Array.from({ length: count }, () => ({ type: 'item_reference' as const, id })),
    })
    await client.responses.create(refer(2))
    const [, begun] = calls.filter(({ name }) => name === 'begin_execution')
    const { input_bytes } = begun?.args.request as Record<string, unknown>
    expect(input_bytes).toBeGreaterThan(200_000)
    expect(input_bytes).toBeLessThan(200_000 + 400)
    const refused = { status: 400, param: 'input', code: 'invalid_value' }
    await expect(client.responses.create(refer(84))).rejects.toMatchObject(refused)
  })

  it('may refer to 64 answers', async () => {
    const { client, calls } = clientOf()
    const { output } = await client.responses.create({ model, input: 'Hi' })
    const id = output[0]?.id ?? ''
    const refer = (count: number) => ({
      model,
      input: Array.from({ length: count }, (_, index) => ({
        type: 'item_reference' as const,
        id: id.replace(/[0-9a-f]{12}(?=_)/, `${index + 100_000_000_000}`),
      })),
    })
    expect(await client.responses.create(refer(64))).toMatchObject({ status: 'completed' })
    calls.length = 0
    const refused = { status: 400, param: 'input', code: 'invalid_value' }
    await expect(client.responses.create(refer(65))).rejects.toMatchObject(refused)
    expect(calls).toHaveLength(64)
  })

  it.each([
    [{ conversation: 'conv_1' }, 'conversation', 'unsupported_parameter'],
    [{ prompt: { id: 'p' } }, 'prompt', 'unsupported_parameter'],
    [{ background: true }, 'background', 'invalid_value'],
    [{ truncation: 'auto' }, 'truncation', 'invalid_value'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'invalid_value'],
    [{ input: [{ type: 'computer_call' }] }, 'input[0].type', 'invalid_value'],
    [{ input: [{ type: 'item_reference', id: 'msg_x' }] }, 'input[0].id', 'invalid_value'],
    [
      { input: [{ type: 'function_call_output', call_id: 'c', output: '' }] },
      'input[0].call_id',
      'invalid_value',
    ],
    [{ text: { verbosity: 'low' } }, 'text.verbosity', 'invalid_value'],
    [{ colour: 'red' }, 'colour', 'unsupported_parameter'],
  ])('is refused by name where it is not there: %j', async (change, param, code) => {
    const create = clientOf().client.responses.create({ model, input: 'Hi', ...change } as never)
    await expect(create).rejects.toMatchObject({ status: 400, param, code })
  })

  const published = readPublishedTypes('resources/responses/responses')
  const keys = published.get('ResponseCreateParamsBase')?.keys ?? []
  it.each(keys.filter((key) => key !== 'model' && key !== 'input'))(
    'may be null: %s',
    async (key) => {
      const create = clientOf().client.responses.create({
        model,
        input: 'Hi',
        [key]: null,
      } as never)
      expect(await create).toMatchObject({ status: 'completed' })
    },
  )
})
