import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  countWritten,
  createAgent,
  type ErrorBody,
  nothingWritten,
} from '../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let agent: string

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  agent = await createAgent(sql, ann.organization, ['openrouter'])
})

const schema = {
  type: 'object',
  properties: { name: { type: 'string' }, people: { type: 'integer', minimum: 0 } },
  required: ['name', 'people'],
  additionalProperties: false,
}
const bern = { name: 'Bern', people: 134_000 }

async function invoke(body: object, headers: Record<string, string> = {}) {
  return fetch(scripted.baseURL.replace(/v1$/, 'invoke'), {
    method: 'POST',
    headers: { authorization: `Bearer ${await accessToken(ann)}`, ...headers },
    body: JSON.stringify({
      agent,
      message: { content: 'Describe Bern.' },
      format: { schema },
      ...body,
    }),
  })
}

async function ending() {
  const [row] = await sql`
    select x.status, x.error_code, m.content, m.metadata ->> 'partial' as partial,
      (select count(*)::int from public.circuit_breaker_state b where b.agent_id = x.agent_id) as breakers
    from public.agent_executions x
    join public.chat_messages m on m.organization_id = x.organization_id and m.id = x.response_message_id
    where x.organization_id = ${ann.organization.id}`
  return row
}

describe('an invocation with a format', () => {
  it('answers with the object that the answer is', async () => {
    scripted.answer({ text: [JSON.stringify(bern)] })
    const response = await invoke({ stream: false })
    expect(await response.json()).toMatchObject({
      object: bern,
      message: { content: JSON.stringify(bern) },
      finish_reason: 'stop',
    })
    expect(scripted.asked()[0]?.['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'answer', schema, strict: true },
    })
  })

  it('asks for no more than an attempt where strict mode knows no such schema', async () => {
    scripted.answer({ text: ['{"a":1}'] })
    const open = { type: 'object', additionalProperties: { type: 'number' } }
    const response = await invoke({ stream: false, format: { schema: open } })
    expect(await response.json()).toMatchObject({ object: { a: 1 } })
    expect(scripted.asked()[0]).toMatchObject({
      response_format: { json_schema: { strict: false } },
    })
  })

  it.each(['{"name":"Bern","people":-1}', '{"name":"Bern"', 'Bern is a city.'])(
    'that the answer does not have is 422, and the text is kept: %s',
    async (content) => {
      scripted.answer({ text: [content] })
      const response = await invoke({ stream: false })
      expect(response.status).toBe(422)
      const { error } = (await response.json()) as ErrorBody
      expect(error.code).toBe('answer_does_not_match_schema')
      expect(await ending()).toEqual({
        status: 'failed',
        error_code: 'answer_does_not_match_schema',
        content,
        partial: 'true',
        breakers: 0,
      })
    },
  )

  it('streams its text, and ends with an error when it does not match', async () => {
    scripted.answer({ text: ['{"name":', '3}'] })
    const stream = await (await invoke({})).text()
    expect(stream).toContain('"delta":')
    expect(stream).toContain('"errorText":"answer_does_not_match_schema: ')
    expect(stream).not.toContain('"type":"finish"')
    expect(await ending()).toMatchObject({ status: 'failed', content: '{"name":3}' })
  })

  it('streams to a finish when it matches', async () => {
    scripted.answer({ text: [JSON.stringify(bern)] })
    expect(await (await invoke({})).text()).toContain('"type":"finish"')
    expect(await ending()).toMatchObject({ status: 'success' })
  })

  it('reserves for the schema, which goes along', async () => {
    await sql`
      insert into client_mgmt.budgets (organization_id, period, limit_tokens)
      values (${ann.organization.id}, 'day', 20000)`
    scripted.answer({ text: [JSON.stringify(bern)] })
    const ask = (length: number) =>
      invoke({
        stream: false,
        params: { max_output_tokens: 100 },
        format: { schema: { ...schema, description: 'x'.repeat(length) } },
      })
    expect((await ask(30_000)).status).toBe(402)
    expect(scripted.asked()).toEqual([])
    expect((await ask(10_000)).status).toBe(200)
  })

  it('answers a repeat with the same object, and another format with a conflict', async () => {
    scripted.answer({ text: [JSON.stringify(bern)] })
    const key = { 'idempotency-key': randomUUID() }
    const first: unknown = await (await invoke({ stream: false }, key)).json()
    expect(await (await invoke({ stream: false }, key)).json()).toEqual(first)
    const other = await invoke({ stream: false, format: { schema: { type: 'object' } } }, key)
    expect(other.status).toBe(409)
    expect(scripted.asked()).toHaveLength(1)
  })

  it.each([
    [{}, 'format.schema'],
    [{ schema: true }, 'format.schema'],
    [{ schema: { type: 'text' } }, 'format.schema.type'],
    [{ schema: { items: { $ref: 'https://example.com/a.json' } } }, 'format.schema.items.$ref'],
    [{ schema: { uniqueItems: true } }, 'format.schema.uniqueItems'],
    [{ schema: { const: 'x'.repeat(65_536) } }, 'format.schema'],
    [{ schema: {}, name: 'x' }, 'format.name'],
  ])('that cannot be checked is refused with its place: %#', async (format, path) => {
    const response = await invoke({ stream: false, format })
    expect(response.status).toBe(400)
    expect(((await response.json()) as ErrorBody).error).toMatchObject({ path })
    expect(await countWritten(sql, ann.organization)).toEqual(nothingWritten)
  })
})
