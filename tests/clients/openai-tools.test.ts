import type OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let client: OpenAI
let model: string

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  model = await createAgent(sql, ann.organization, ['openrouter'])
  client = await scripted.client(ann)
})

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const weather = {
  type: 'function',
  function: { name: 'weather', description: 'The weather.', parameters, strict: true },
} as const
const call = { id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }
const toolCall: OpenAI.ChatCompletionMessageFunctionToolCall = {
  id: 'call_1',
  type: 'function',
  function: { name: 'weather', arguments: '{"city":"Bern"}' },
}
const question = { role: 'user', content: 'How is Bern?' } as const

/** Tools that the SDK runs itself: our side only ever sees definitions, calls and results. */
const runnable = (asked: unknown[]) => ({
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'The weather.',
    parameters,
    parse: JSON.parse as (input: string) => { city: string },
    function: (args: { city: string }) => {
      asked.push(args)
      return `Sunny in ${args.city}.`
    },
  },
})

describe('tools of the client', () => {
  it('go to the model, and its calls come back', async () => {
    scripted.answer({ text: ['Let me see.'], toolCalls: [call] })
    const completion = await client.chat.completions.create({
      model,
      messages: [question],
      tools: [weather],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
    })
    expect(completion.choices).toEqual([
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'Let me see.',
          refusal: null,
          tool_calls: [toolCall],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ])
    expect(scripted.asked()).toMatchObject([
      {
        messages: [question],
        tools: [weather],
        tool_choice: { type: 'function', function: { name: 'weather' } },
        parallel_tool_calls: false,
      },
    ])
    const [stored] = await sql`
      select content, parts from public.chat_messages
      where organization_id = ${ann.organization.id} and role = 'assistant'`
    expect(stored).toEqual({
      content: 'Let me see.',
      parts: [
        { type: 'text', text: 'Let me see.' },
        { type: 'tool_call', ...call },
      ],
    })
  })

  it('are streamed as events that the SDK’s helper tells apart', async () => {
    const other = { id: 'call_2', name: 'weather', arguments: '{"city":"Basel"}' }
    scripted.answer({ toolCalls: [call, other] })
    const stream = client.chat.completions.stream({ model, messages: [question], tools: [weather] })
    const done: unknown[] = []
    stream.on('tool_calls.function.arguments.done', (event) => done.push(event))
    const first: OpenAI.ChatCompletionChunk[] = []
    stream.on('chunk', (chunk) => first.push(chunk))
    const completion = await stream.finalChatCompletion()
    expect(first[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: null, refusal: null })
    expect(done).toMatchObject([
      { name: 'weather', index: 0, arguments: call.arguments },
      { name: 'weather', index: 1, arguments: other.arguments },
    ])
    expect(completion.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, tool_calls: [toolCall, { id: 'call_2' }] },
    })
  })

  it.each([false, true])('are run by the SDK’s own loop (stream: %s)', async (stream) => {
    scripted.answer({ toolCalls: [call] }, { text: ['It is ', 'sunny.'] })
    const asked: unknown[] = []
    const body = { model, messages: [question], tools: [runnable(asked)] }
    const runner = stream
      ? client.chat.completions.runTools({ ...body, stream })
      : client.chat.completions.runTools(body)
    expect(await runner.finalContent()).toBe('It is sunny.')
    expect(asked).toEqual([{ city: 'Bern' }])
    expect(scripted.asked().map(({ messages }) => messages)).toEqual([
      [question],
      [
        question,
        { role: 'assistant', content: null, tool_calls: [toolCall] },
        { role: 'tool', tool_call_id: 'call_1', content: 'Sunny in Bern.' },
      ],
    ])
    const rows = await sql`
      select x.status, l.input_tokens::int, m.content, m.parts
      from public.agent_executions x
      join client_mgmt.usage_ledger l on l.organization_id = x.organization_id and l.execution_id = x.id
      join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.message_id
      where x.organization_id = ${ann.organization.id} order by x.created_at`
    expect(rows).toEqual([
      { status: 'success', input_tokens: 11, content: 'How is Bern?', parts: null },
      {
        status: 'success',
        input_tokens: 11,
        content: '',
        parts: [
          {
            type: 'tool_result',
            tool_call_id: 'call_1',
            name: 'weather',
            content: 'Sunny in Bern.',
          },
        ],
      },
    ])
    const total = await runner.totalUsage()
    expect(total.prompt_tokens).toBe(stream ? 0 : 22)
  })

  it('may answer with nothing', async () => {
    scripted.answer({ text: ['Done.'] })
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      question,
      { role: 'assistant', tool_calls: [toolCall] },
      { role: 'tool', tool_call_id: 'call_1', content: '' },
    ]
    await client.chat.completions.create({ model, messages, tools: [weather] })
    expect(scripted.asked()[0]?.messages.at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'call_1',
      content: '',
    })
  })

  it('of Gemini get back the signature that the model must see again', async () => {
    // The adapter of Vertex AI is tested by itself; here it is what our own answer carries.
    const provider_metadata = { provider: 'vertex-ai', model: 'm', thoughtSignature: 'sig' }
    scripted.answer({ text: ['Fine.'] })
    const signed = { ...toolCall, extra_content: { provider_metadata } }
    await client.chat.completions.create({
      model,
      messages: [
        question,
        { role: 'assistant', tool_calls: [signed] },
        { role: 'tool', tool_call_id: 'call_1', content: 'Sunny.' },
      ],
    })
    // Another provider than the one it names does not get it.
    expect(JSON.stringify(scripted.asked())).not.toContain('sig')
  })

  it.each([
    [[{ role: 'tool', tool_call_id: 'call_9', content: 'x' }], 'messages[0].tool_call_id'],
    [
      [question, { role: 'assistant', tool_calls: [{ ...toolCall, id: '' }] }],
      'messages[1].tool_calls[0].id',
    ],
  ])('are refused when they answer no call: %#', async (messages, param) => {
    const create = client.chat.completions.create({ model, messages } as never)
    await expect(create).rejects.toMatchObject({ status: 400, param })
  })
})

describe('messages of the client', () => {
  it('follow the prompts of the organization, in their order and as they are', async () => {
    await sql`
      insert into public.system_prompts (scope, organization_id, content, priority)
      values ('organization', ${ann.organization.id}, 'Be polite.', 1)`
    scripted.answer({ text: ['Hello.'] })
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } } as const
    await client.chat.completions.create({
      model,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: [{ type: 'text', text: 'Hello?' }] },
        { role: 'system', content: [{ type: 'text', text: 'Be kind.' }] },
        { role: 'user', content: [{ type: 'text', text: 'Who is this?' }, image] },
      ],
      stop: 'END',
      seed: 7,
      temperature: 0.5,
      top_p: 0.9,
      max_completion_tokens: 99,
    })
    expect(scripted.asked()).toMatchObject([
      {
        messages: [
          { role: 'system', content: 'Be polite.' },
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello?' },
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: [{ type: 'text', text: 'Who is this?' }, image] },
        ],
        stop: ['END'],
        seed: 7,
        temperature: 0.5,
        top_p: 0.9,
        max_tokens: 99,
      },
    ])
  })

  it('are reserved for in full, whichever of them is stored', async () => {
    await sql`
      insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${ann.organization.id}, 'day', 20000)`
    scripted.answer({ text: ['Hello.'] })
    const ask = (earlier: string) =>
      client.chat.completions.create({
        model,
        max_tokens: 10,
        messages: [
          { role: 'system', content: earlier },
          { role: 'user', content: 'Hi' },
        ],
      })
    await expect(ask('x'.repeat(30_000))).rejects.toMatchObject({ code: 'insufficient_quota' })
    expect(scripted.asked()).toEqual([])
    await ask('x'.repeat(10_000))
    const [counter] = await sql`
      select reserved_tokens::int, settled_tokens::int from client_mgmt.budget_counters
      where organization_id = ${ann.organization.id}`
    expect(counter).toEqual({ reserved_tokens: 0, settled_tokens: 18 })
  })

  it('with addresses other than https, or data, are refused', async () => {
    for (const url of [
      'data:image/png;base64,not base64',
      'http://example.com/a.png',
      'file:///etc/passwd',
    ]) {
      const content = [{ type: 'image_url' as const, image_url: { url } }]
      const create = client.chat.completions.create({
        model,
        messages: [{ role: 'user', content }],
      })
      await expect(create).rejects.toMatchObject({
        status: 400,
        param: 'messages[0].content[0].image_url.url',
      })
    }
  })
})
