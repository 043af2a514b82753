import type OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { json } from '../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let client: OpenAI
let agent: string
/** A model id of the agent that makes embeddings, and the provider's own name of that model. */
let model: string
let vectorModel: string

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  agent = await createAgent(sql, ann.organization, ['openrouter'])
  vectorModel = `${agent}/vectors`
  await sql`
    insert into public.models
      (organization_id, agent_id, name, display_name, provider, model_id, capabilities)
    select organization_id, id, 'small', 'Small', 'openrouter', ${vectorModel}, '{embeddings}'
    from public.agents where name = ${agent}`
  await sql`
    insert into client_mgmt.model_prices (provider, model_id, input_per_million)
    values ('openrouter', ${vectorModel}, 2)`
  client = await scripted.client(ann)
  model = `${agent}/small`
})

type Asked = Record<string, unknown>
const asked = () => scripted.asked() as Asked[]
const create = (body: Asked) =>
  client.embeddings.create({ model, ...body } as unknown as OpenAI.EmbeddingCreateParams)
const inBase64 = (numbers: number[]) =>
  Buffer.from(new Uint8Array(new Float32Array(numbers).buffer)).toString('base64')
/** What the provider answers with: these vectors in its encoding. */
const vectors = (all: unknown[], usage: object | null = { prompt_tokens: 8, total_tokens: 8 }) =>
  json(200, {
    object: 'list',
    data: all.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    model: 'scripted',
    ...(usage && { usage }),
  })
const ledger = () => sql`
  select status, l.input_tokens::int, l.output_tokens::int, l.cost_usd::float, l.is_estimated
  from public.agent_executions x
  join client_mgmt.usage_ledger l on l.organization_id = x.organization_id and l.execution_id = x.id
  where x.organization_id = ${ann.organization.id}`

describe('embeddings', () => {
  it('reach the client in the encoding that it asks for, whichever the provider sends', async () => {
    const numbers = [0.5, -2, 0.25]
    for (const sent of [numbers, inBase64(numbers)]) {
      scripted.answer([vectors([sent, sent])])
      for (const encoding_format of ['float', 'base64', undefined]) {
        const { data, ...rest } = await create({ input: ['a', 'b'], encoding_format })
        const embedding = encoding_format === 'base64' ? inBase64(numbers) : numbers
        expect(data).toEqual([
          { object: 'embedding', index: 0, embedding },
          { object: 'embedding', index: 1, embedding },
        ])
        expect(rest).toMatchObject({
          object: 'list',
          model,
          usage: { prompt_tokens: 8, total_tokens: 8 },
        })
      }
    }
    // The SDK asks for base64 when it is asked for nothing.
    expect(asked().map((body) => body['encoding_format'])).toEqual(['float', 'base64', 'base64'])
    expect(scripted.provider.journal.at(-1)?.path).toMatch(/\/embeddings$/)
  })

  it('are made of a text, of texts, of tokens and of lists of tokens', async () => {
    scripted.answer([vectors([[1, 2]])])
    for (const input of ['a', ['a'], [1, 2, 3], [[1, 2, 3]]]) {
      await create({ input, dimensions: 2, user: 'u', encoding_format: 'float' })
    }
    const rest = { model: vectorModel, dimensions: 2, encoding_format: 'float' }
    expect(asked()).toEqual([
      { input: ['a'], ...rest },
      { input: ['a'], ...rest },
      { input: [[1, 2, 3]], ...rest },
      { input: [[1, 2, 3]], ...rest },
    ])
  })

  it('come from the model of an agent that makes them, and from no other', async () => {
    scripted.answer([vectors([[1]])])
    expect(await create({ model: agent, input: 'a' })).toMatchObject({ model })
    expect(await create({ model: 'small', input: 'a' })).toMatchObject({ model })
    const wrong = { status: 400, param: 'model', type: 'invalid_request_error' }
    const chat = `${agent}/model-1`
    await expect(create({ model: chat, input: 'a' })).rejects.toMatchObject(wrong)
    const messages = [{ role: 'user' as const, content: 'Hi' }]
    for (const work of [
      client.chat.completions.create({ model, messages }),
      client.responses.create({ model, input: 'Hi' }),
    ]) {
      await expect(work).rejects.toMatchObject(wrong)
    }
    const missing = create({ model: `${agent}/none`, input: 'a' })
    await expect(missing).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    expect(asked()).toHaveLength(2)
    scripted.answer({ text: ['Hello.'] })
    const { choices } = await client.chat.completions.create({ model: agent, messages })
    expect(choices[0]?.message.content).toBe('Hello.')
    expect(asked()[0]).toMatchObject({ model: 'model-1' })
  })
})

describe('an execution of embeddings', () => {
  it('is one row of usage, priced by its input, and stores neither texts nor vectors', async () => {
    scripted.answer([vectors([[0.123_456]], { prompt_tokens: 500_000, total_tokens: 500_000 })])
    await create({ input: 'a secret text' })
    expect(await ledger()).toEqual([
      {
        status: 'success',
        input_tokens: 500_000,
        output_tokens: 0,
        cost_usd: 1,
        is_estimated: false,
      },
    ])
    const stored = await sql`
      select to_jsonb(m)::text as row from public.chat_messages m
      where organization_id = ${ann.organization.id}
      union all select to_jsonb(e)::text from conversation.execution_events e
      where organization_id = ${ann.organization.id}`
    expect(stored.length).toBeGreaterThan(0)
    expect(JSON.stringify(stored)).not.toMatch(/secret|123456/)
  })

  it('reserves a token for each byte and settles what was used', async () => {
    await sql`
      insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${ann.organization.id}, 'day', 1000)`
    scripted.answer([vectors([[1]])])
    const refused = create({ input: 'x'.repeat(1_100) })
    await expect(refused).rejects.toMatchObject({ status: 429, code: 'insufficient_quota' })
    expect(asked()).toEqual([])
    await create({ input: 'x'.repeat(900) })
    const [counter] = await sql`
      select reserved_tokens::int, settled_tokens::int from client_mgmt.budget_counters
      where organization_id = ${ann.organization.id}`
    expect(counter).toEqual({ reserved_tokens: 0, settled_tokens: 8 })
  })

  it('of which the provider counts nothing is charged by an estimate, and marked', async () => {
    scripted.answer([vectors([[1]], null)])
    expect(await create({ input: 'x'.repeat(398) })).not.toHaveProperty('usage')
    expect(await ledger()).toMatchObject([
      { input_tokens: 101, output_tokens: 0, is_estimated: true },
    ])
  })

  it('is repeated after a fault of the provider, and ends once', async () => {
    scripted.answer([json(500, {})], [vectors([[1]])])
    expect(await create({ input: 'a' })).toMatchObject({ object: 'list' })
    expect(asked()).toHaveLength(2)
    expect(await ledger()).toMatchObject([{ status: 'success' }])
  })

  it.each([
    ['no list', [json(200, { object: 'list', usage: { prompt_tokens: 8, total_tokens: 8 } })]],
    ['a vector too few', [vectors([[1, 2]])]],
    ['other dimensions', [vectors([[1], [2]])]],
    [
      'a text in a vector',
      [
        vectors([
          [1, 'x'],
          [1, 2],
        ]),
      ],
    ],
    ['half a number', [vectors(['AAA=', 'AAA='])]],
    ['an empty vector', [vectors([[], []])]],
  ])('fails and is charged when the answer has %s', async (_, script) => {
    scripted.answer(script)
    const work = create({ input: ['a', 'b'], dimensions: 2 })
    await expect(work).rejects.toMatchObject({
      status: 502,
      code: 'provider_malformed_response',
    })
    // Called twice, as after every fault of a provider, and paid for twice.
    expect(asked()).toHaveLength(2)
    expect(await ledger()).toMatchObject([{ status: 'failed', input_tokens: 16 }])
  })
})

it.each([
  [{ input: '' }, 'input'],
  [{ input: [] }, 'input'],
  [{ input: [''] }, 'input[0]'],
  [{ input: [[]] }, 'input[0]'],
  [{ input: ['a', 1] }, 'input[1]'],
  [{ input: [1.5] }, 'input[0]'],
  [{ input: Array.from({ length: 2_049 }, () => 'a') }, 'input'],
  [{ input: { text: 'a' } }, 'input'],
  [{ input: 'a', dimensions: 0 }, 'dimensions'],
  [{ input: 'a', encoding_format: 'hex' }, 'encoding_format'],
  [{ input: 'a', colour: 'red' }, 'colour'],
])('a wrong request for embeddings is refused by its parameter: %#', async (body, param) => {
  scripted.answer([vectors([[1]])])
  await expect(create(body)).rejects.toMatchObject({ status: 400, param })
  expect(asked()).toEqual([])
})

it('a key that would repeat a request is refused, because no vector is stored', async () => {
  const work = client.embeddings.create(
    { model, input: 'a' },
    { headers: { 'Idempotency-Key': 'k1' } },
  )
  await expect(work).rejects.toMatchObject({ status: 400, param: 'Idempotency-Key' })
})
