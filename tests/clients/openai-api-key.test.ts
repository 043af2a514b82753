import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { json } from '../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { failure } from '../support/clients/openai.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let client: OpenAI
let agent: string

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  agent = await createAgent(sql, ann.organization, ['openrouter'])
  const { data } = await ann.client.rpc('create_api_key', { name: 'server' }).throwOnError()
  const { key: apiKey } = data as unknown as { key: string }
  client = new OpenAI({ apiKey, baseURL: scripted.baseURL, maxRetries: 0 })
})

type Messages = OpenAI.ChatCompletionMessageParam[]
const ask: Messages = [{ role: 'user', content: 'Which is the capital of France?' }]
const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } },
]
const call = { id: 'call_1', name: 'weather', arguments: '{"city":"Paris"}' }

it('a key has two turns, whole and as a stream', async () => {
  scripted.answer({ text: ['Par', 'is'] })
  const first = await client.chat.completions.create({ model: agent, messages: ask })
  const said = first.choices[0]?.message.content
  expect(said).toBe('Paris')
  const messages: Messages = [
    ...ask,
    { role: 'assistant', content: said ?? '' },
    { role: 'user', content: 'And its river?' },
  ]
  const stream = await client.chat.completions.create({ model: agent, messages, stream: true })
  let streamed = ''
  for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? ''
  expect(streamed).toBe('Paris')
  const [row] = await sql`
    select count(*)::int, count(distinct user_id)::int as people from public.agent_executions
    where organization_id = ${ann.organization.id} and user_id = ${ann.id} and status = 'success'`
  expect(row).toEqual({ count: 2, people: 1 })
})

it('a key calls a tool and gives its result', async () => {
  scripted.answer({ toolCalls: [call] }, { text: ['Rain'] })
  const asked = await client.chat.completions.create({ model: agent, messages: ask, tools })
  const message = asked.choices[0]?.message
  expect(message?.tool_calls?.[0]?.id).toBe(call.id)
  const messages: Messages = [
    ...ask,
    message as OpenAI.ChatCompletionMessage,
    { role: 'tool', tool_call_id: call.id, content: 'rain' },
  ]
  const answered = await client.chat.completions.create({ model: agent, messages, tools })
  expect(answered.choices[0]?.message.content).toBe('Rain')
})

it('a key follows a response, for the same end user only', async () => {
  scripted.answer({ text: ['Paris'] })
  const first = await client.responses.create({
    model: agent,
    input: 'Which is the capital of France?',
    safety_identifier: 'ada',
  })
  const next = { model: agent, input: 'And its river?', previous_response_id: first.id }
  const second = await client.responses.create({ ...next, safety_identifier: 'ada' })
  expect(second.output_text).toBe('Paris')
  for (const other of [{ safety_identifier: 'bob' }, {}]) {
    const refused = await failure(client.responses.create({ ...next, ...other }))
    expect([refused.status, refused.code]).toEqual([400, 'previous_response_not_found'])
  }
  const item = first.output[0]?.id ?? ''
  const quoting = (user: string) =>
    client.responses.create({
      model: agent,
      input: [
        { type: 'item_reference', id: item },
        { role: 'user', content: 'Say it again' },
      ],
      safety_identifier: user,
    })
  expect((await quoting('ada')).output_text).toBe('Paris')
  expect((await failure(quoting('bob'))).status).toBe(404)
})

it('a key makes embeddings and lists models', async () => {
  await sql`
    insert into public.models
      (organization_id, agent_id, name, display_name, provider, model_id, capabilities)
    select organization_id, id, 'small', 'Small', 'openrouter', ${`${agent}/vectors`}, '{embeddings}'
    from public.agents where name = ${agent}`
  scripted.answer([
    json(200, {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.5, -2] }],
      model: 'scripted',
      usage: { prompt_tokens: 1, total_tokens: 1 },
    }),
  ])
  const made = await client.embeddings.create({
    model: `${agent}/small`,
    input: 'hello',
    encoding_format: 'float',
    user: 'ada',
  })
  expect(made.data[0]?.embedding).toEqual([0.5, -2])
  const [row] = await sql`
    select end_user from client_mgmt.usage_ledger where organization_id = ${ann.organization.id}`
  expect(row?.end_user).toBe('ada')
  const models = await client.models.list()
  expect(models.data.map(({ id }) => id)).toContain(`${agent}/small`)
})

it('a key that was revoked is refused as OpenAI refuses one', async () => {
  await ann.client.rpc('list_api_keys').throwOnError()
  await sql`
    update public.user_sessions set revoked_at = now()
    where organization_id = ${ann.organization.id} and key_permissions is not null`
  const refused = await failure(client.models.list())
  expect(refused.status).toBe(401)
  expect(refused).toBeInstanceOf(OpenAI.AuthenticationError)
})
