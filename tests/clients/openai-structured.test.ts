import OpenAI from 'openai'
import { LengthFinishReasonError } from 'openai/core/error'
import { zodResponseFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
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

const City = z.object({
  name: z.string(),
  people: z.int().min(0),
  mail: z.email().nullable(),
  languages: z.array(z.enum(['de', 'fr', 'it', 'rm'])),
})
const bern = { name: 'Bern', people: 134_000, mail: 'info@bern.example', languages: ['de'] }
const messages = [{ role: 'user' as const, content: 'Describe Bern.' }]
const body = () => ({ model, messages, response_format: zodResponseFormat(City, 'city') })
const wrong = JSON.stringify({ ...bern, people: 'many' })

async function ending() {
  const [row] = await sql`
    select x.status, x.error_code, x.finish_reason, m.content,
      (select count(*)::int from public.circuit_breaker_state b where b.agent_id = x.agent_id) as breakers,
      (select count(*)::int from public.agent_health h where h.agent_id = x.agent_id) as health,
      l.output_tokens::int
    from public.agent_executions x
    join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.response_message_id
    join client_mgmt.usage_ledger l on l.organization_id = x.organization_id and l.execution_id = x.id
    where x.organization_id = ${ann.organization.id}`
  return row
}

const failed = {
  status: 'failed',
  error_code: 'answer_does_not_match_schema',
  finish_reason: 'stop',
  content: wrong,
  breakers: 0,
  health: 0,
  output_tokens: 7,
}

describe('an answer of a schema', () => {
  it('is parsed by the SDK with zod', async () => {
    scripted.answer({ text: [JSON.stringify(bern)] })
    const completion = await client.chat.completions.parse(body())
    expect(completion.choices[0]?.message.parsed).toEqual(bern)
    const { json_schema, ...rest } = body().response_format
    expect(scripted.asked()[0]?.['response_format']).toEqual({ ...rest, json_schema })
  })

  it('is parsed from a stream too', async () => {
    scripted.answer({ text: [...JSON.stringify(bern)] })
    const stream = client.chat.completions.stream(body())
    const completion = await stream.finalChatCompletion()
    expect(completion.choices[0]?.message.parsed).toEqual(bern)
  })

  it.each([wrong, '{"name":"Bern"', 'I would rather not.'])(
    'that does not match it is a 422, its text kept: %s',
    async (content) => {
      scripted.answer({ text: [content] })
      const create = client.chat.completions.create(body())
      const error = await create.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError)
      expect(error).toMatchObject({ code: 'answer_does_not_match_schema' })
      expect(await ending()).toEqual({ ...failed, content })
    },
  )

  it('that does not match it ends a stream with an error and never with a stop', async () => {
    scripted.answer({ text: [wrong] })
    const chunks: OpenAI.ChatCompletionChunk[] = []
    const read = async () => {
      const stream = await client.chat.completions.create({ ...body(), stream: true })
      for await (const chunk of stream) chunks.push(chunk)
    }
    await expect(read()).rejects.toMatchObject({ code: 'answer_does_not_match_schema' })
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(wrong)
    expect(chunks.every(({ choices }) => choices[0]?.finish_reason === null)).toBe(true)
    expect(await ending()).toEqual(failed)
  })

  it('that was cut by its limit says so instead', async () => {
    scripted.answer({ text: ['{"name":'], finish: 'length' })
    await expect(client.chat.completions.parse(body())).rejects.toThrow(LengthFinishReasonError)
    expect(await ending()).toMatchObject({ status: 'success', finish_reason: 'length' })
  })

  it('is no more than tried without strict', async () => {
    scripted.answer({ text: ['I would rather not.'] })
    const { json_schema } = body().response_format
    const completion = await client.chat.completions.create({
      model,
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: { ...json_schema, strict: false, schema: { patternProperties: { a: true } } },
      },
    })
    expect(completion.choices[0]?.message.content).toBe('I would rather not.')
    expect(scripted.asked()[0]).toMatchObject({
      response_format: { json_schema: { strict: false } },
    })
  })

  it('may be any JSON object', async () => {
    scripted.answer({ text: ['{}'] }, { text: ['[]'] })
    const any = { model, messages, response_format: { type: 'json_object' as const } }
    const completion = await client.chat.completions.create(any)
    expect(completion.choices[0]?.message.content).toBe('{}')
    await expect(client.chat.completions.create(any)).rejects.toMatchObject({ status: 422 })
    expect(scripted.asked()[0]).toMatchObject({ response_format: { type: 'json_object' } })
  })

  it('waits for the tools that come before it', async () => {
    scripted.answer({ toolCalls: [{ id: 'c', name: 'look', arguments: '{}' }], finish: 'stop' })
    const completion = await client.chat.completions.create({
      ...body(),
      tools: [{ type: 'function', function: { name: 'look' } }],
    })
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls')
  })

  it.each([
    [{ $ref: 'https://example.com/s.json' }, 'response_format.json_schema.schema.$ref'],
    [{ properties: { a: { not: 1 } } }, 'response_format.json_schema.schema.properties.a.not'],
    [{ patternProperties: {} }, 'response_format.json_schema.schema.patternProperties'],
  ])('that cannot be checked is refused: %j', async (schema, param) => {
    const create = client.chat.completions.create({
      model,
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } },
    })
    await expect(create).rejects.toMatchObject({ status: 400, param })
    expect(scripted.provider.journal.at(-1)?.body ?? '').not.toContain('"name":"a"')
  })
})
