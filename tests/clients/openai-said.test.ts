import type OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { gate } from '../support/agents/chat-stream.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import {
  type ScriptedModel,
  startScriptedModel,
  streamFrames,
} from '../support/agents/scripted-model.ts'
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

const whole = (message: object, rest: object = {}) => [
  json(200, { id: 'gen-1', choices: [{ index: 0, message, finish_reason: 'stop' }], ...rest }),
]
const question = [{ role: 'user' as const, content: 'Who?' }]

describe('a message of the client', () => {
  it('may carry pictures and files, which the model is sent and nobody stores', async () => {
    scripted.answer({ text: ['A cat.'] })
    const picture = {
      type: 'image_url',
      image_url: { url: 'data:image/png;base64,iVBORw0=' },
    } as const
    const file_data = 'data:application/pdf;base64,JVBERi0='
    const file = { type: 'file', file: { filename: 'a.pdf', file_data } } as const
    const content = [{ type: 'text', text: 'What is this?' } as const, picture, file]
    const messages = [{ role: 'user' as const, content }]
    await client.chat.completions.create({ model, messages, reasoning_effort: 'low' })
    expect(scripted.asked()).toMatchObject([{ messages, reasoning: { effort: 'low' } }])
    const [stored] = await sql`
      select content, parts::text from public.chat_messages
      where organization_id = ${ann.organization.id} and role = 'user'`
    expect(stored?.content).toBe('What is this?')
    expect(stored?.parts).toContain('[image/png, not stored]')
    expect(stored?.parts).toContain('[application/pdf, not stored]')
    expect(stored?.parts).not.toContain('base64')
  })
})

describe('an answer', () => {
  const strict = {
    type: 'json_schema' as const,
    json_schema: {
      name: 'a',
      strict: true,
      schema: { type: 'object', properties: {}, required: [], additionalProperties: false },
    },
  }

  it.each([false, true])(
    'tells thoughts, sources and refusals apart (stream: %s)',
    async (stream) => {
      const url_citation = { url: 'https://a.test/x', title: 'X', start_index: 0, end_index: 2 }
      scripted.answer(
        whole({
          content: 'It.',
          reasoning: 'Hm.',
          annotations: [{ type: 'url_citation', url_citation }],
        }),
      )
      const said = await ask(stream, {})
      expect(said).toMatchObject({
        content: 'It.',
        reasoning: 'Hm.',
        reasoning_content: 'Hm.',
        annotations: [{ type: 'url_citation', url_citation }],
      })
      scripted.answer(whole({ content: null, refusal: 'I cannot.' }))
      // A refusal has no format, and is no failure of it.
      expect(await ask(stream, { response_format: strict })).toMatchObject({
        content: null,
        refusal: 'I cannot.',
      })
    },
  )

  it.each([false, true])(
    'in a fence is the JSON that was asked for (stream: %s)',
    async (stream) => {
      scripted.answer({ text: ['```js', 'on\n{}', '\n``', '`'] })
      expect(await ask(stream, { response_format: strict })).toMatchObject({ content: '{}' })
      scripted.answer({ text: ['```json\n{}\n```'] })
      expect(await ask(stream, {})).toMatchObject({ content: '```json\n{}\n```' })
    },
  )

  it('that is empty is charged as the provider counts it', async () => {
    const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
    scripted.answer(whole({ content: '', reasoning: 'Hm.' }, { usage }))
    await expect(
      client.chat.completions.create({ model, messages: question }),
    ).rejects.toMatchObject({
      code: 'provider_empty_response',
    })
    const [ledger] = await sql`
      select input_tokens::int, output_tokens::int, is_estimated from client_mgmt.usage_ledger
      where organization_id = ${ann.organization.id}`
    expect(ledger).toEqual({ input_tokens: 7, output_tokens: 5, is_estimated: false })
  })

  it('that has calls streams their arguments as they come', async () => {
    const { step, open: goOn } = gate()
    const said = streamFrames({
      toolCalls: [{ id: 'a', name: 'w', arguments: '{"city":"Bern"}' }],
    })
    const isRest = (frame: string) => frame.includes('tool_calls') && !frame.includes('"id":"a"')
    const place = said.findIndex(isRest) + 1
    const steps = eventStream(said)
    scripted.answer([...steps.slice(0, place), step, ...steps.slice(place)])
    const tools = [{ type: 'function' as const, function: { name: 'w' } }]
    const pieces: unknown[] = []
    for await (const { choices } of await client.chat.completions.create({
      model,
      messages: question,
      tools,
      stream: true,
    })) {
      for (const call of choices[0]?.delta.tool_calls ?? []) pieces.push(call.function?.arguments)
      // The model says the rest only when the client has the beginning.
      if (pieces.join('') !== '') goOn()
    }
    expect(pieces.join('')).toBe('{"city":"Bern"}')
    expect(pieces.filter((piece) => piece !== '')).toHaveLength(2)
  })

  async function ask(stream: boolean, rest: object): Promise<object | undefined> {
    const body = { model, messages: question, ...rest }
    if (!stream) return (await client.chat.completions.create(body)).choices[0]?.message
    return (await client.chat.completions.stream(body).finalChatCompletion()).choices[0]?.message
  }
})
