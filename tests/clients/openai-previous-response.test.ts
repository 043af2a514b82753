import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool, user } from '@openai/agents'
import type OpenAI from 'openai'
import * as z from 'zod'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import {
  accessToken,
  type Organization,
  type Person,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

type Body = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream' | 'model'>

const sql = connectOwner()
let scripted: ScriptedModel
let ann: Person & { organization: Organization }
let client: OpenAI
let model: string

setTracingDisabled(true)
beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await signUpWithOrganization('ann')
  model = await createAgent(sql, ann.organization, ['openrouter'])
  client = await scripted.client(ann)
})

const ask = async (body: Body, stream = false, by = client) =>
  stream
    ? await by.responses.stream({ model, ...body }).finalResponse()
    : await by.responses.create({ model, ...body })
/** The messages of each request that the provider got. */
const asked = () => scripted.asked().map(({ messages }) => messages)

const weather = {
  type: 'function' as const,
  name: 'weather',
  description: 'The weather.',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
  strict: false,
}
const call = { id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }
const calling = { id: 'call_1', type: 'function', function: { name: call.name } }
const said = (content: string) => ({ role: 'assistant', content })
const told = (content: string) => ({ role: 'user', content })
const unknown = { status: 400, code: 'previous_response_not_found', param: 'previous_response_id' }

describe.each([false, true])('a response that follows another (stream: %s)', (stream) => {
  it('is asked with all before it, in order, and without earlier instructions', async () => {
    scripted.answer({ text: ['One.'] }, { text: ['Two.'] }, { text: ['Three.'] })
    const first = await ask(
      {
        instructions: 'Be brief.',
        input: [
          { role: 'developer', content: 'Be kind.' },
          { role: 'user', content: 'A' },
          { role: 'assistant', content: 'B' },
          { role: 'user', content: 'C' },
        ],
      },
      stream,
    )
    const second = await ask({ previous_response_id: first.id, input: 'D' }, stream)
    const last = { previous_response_id: second.id, instructions: 'Be long.', input: 'E' }
    expect((await ask(last, stream)).output_text).toBe('Three.')
    const opening = [{ role: 'system', content: 'Be kind.' }, told('A'), said('B'), told('C')]
    const all = [...opening, said('One.'), told('D')]
    expect(asked()).toEqual([
      [{ role: 'system', content: 'Be brief.' }, ...opening],
      all,
      [{ role: 'system', content: 'Be long.' }, ...all, said('Two.'), told('E')],
    ])
    expect([first, second]).toMatchObject([
      { store: true, previous_response_id: null },
      { store: true, previous_response_id: first.id },
    ])
  })

  it('gives the outputs of the calls that the other made', async () => {
    scripted.answer({ text: ['Let me see.'], toolCalls: [call] }, { text: ['Sunny.'] })
    const first = await ask({ input: 'How is Bern?', tools: [weather] }, stream)
    const output = { type: 'function_call_output' as const, call_id: 'call_1', output: '25 C' }
    const unanswered = ask({ previous_response_id: first.id, input: 'And?' }, stream)
    await expect(unanswered).rejects.toMatchObject({ status: 400, param: 'input' })
    const second = await ask({ previous_response_id: first.id, input: [output] }, stream)
    expect(second.output_text).toBe('Sunny.')
    expect(asked()).toHaveLength(2)
    expect(asked()[1]).toMatchObject([
      told('How is Bern?'),
      { ...said('Let me see.'), tool_calls: [calling] },
      { role: 'tool', tool_call_id: 'call_1', content: '25 C' },
    ])
  })

  it('can be one of several that follow the same', async () => {
    scripted.answer({ text: ['One.'] })
    const { id } = await ask({ input: 'A' }, stream)
    await Promise.all(['B', 'C'].map((input) => ask({ previous_response_id: id, input }, stream)))
    const others = asked().slice(1)
    expect(others).toHaveLength(2)
    for (const input of ['B', 'C'])
      expect(others).toContainEqual([told('A'), said('One.'), told(input)])
  })

  it('can be found by the SDK of agents, in the loop of its tools and in its next turn', async () => {
    scripted.answer({ toolCalls: [call] }, { text: ['Sunny.'] }, { text: ['Bern.'] })
    const { baseURL } = scripted
    const provider = new OpenAIProvider({
      apiKey: await accessToken(ann),
      baseURL,
      useResponses: true,
    })
    const runner = new Runner({ modelProvider: provider })
    const parameters = z.object({ city: z.string() })
    const tools = [
      tool({ name: 'weather', description: 'The weather.', parameters, execute: () => '25 C' }),
    ]
    const agent = new Agent({ name: 'Asker', model, tools })
    const run = async (text: string, previousResponseId?: string) => {
      const options = previousResponseId === undefined ? {} : { previousResponseId }
      if (!stream) return await runner.run(agent, [user(text)], options)
      const result = await runner.run(agent, [user(text)], { ...options, stream: true })
      await result.completed
      return result
    }
    const first = await run('How is Bern?')
    expect(first.finalOutput).toBe('Sunny.')
    const second = await run('Where?', first.lastResponseId)
    expect(second.finalOutput).toBe('Bern.')
    expect(asked().at(-1)).toMatchObject([
      told('How is Bern?'),
      { role: 'assistant', tool_calls: [calling] },
      { role: 'tool', tool_call_id: 'call_1', content: '25 C' },
      said('Sunny.'),
      told('Where?'),
    ])
  })
})

describe('a response that another cannot follow', () => {
  it('is one that was not stored, an unknown one, and no response at all', async () => {
    scripted.answer({ text: ['One.'] })
    const unstored = await ask({ input: 'A', store: false })
    expect(unstored).toMatchObject({ store: false })
    const { id } = unstored
    const completion = await client.chat.completions.create({
      model,
      messages: [told('A') as never],
    })
    const execution = completion.id.replace('chatcmpl-', '')
    const absent = id.replace(/.{4}$/, '0000')
    for (const previous of [id, absent, `resp_${execution}`, completion.id, 'resp_1', "'; --"]) {
      const work = ask({ previous_response_id: previous, input: 'B' })
      await expect(work, previous).rejects.toMatchObject(unknown)
    }
    expect(asked()).toHaveLength(2)
  })

  it('is that of another person, also of a colleague who may read it', async () => {
    scripted.answer({ text: ['One.'] })
    const { id } = await ask({ input: 'A' })
    await sql`
      update public.chat_sessions set visibility = 'organization'
      where organization_id = ${ann.organization.id}`
    const colleague = await signUpAsMember(sql, ann.organization)
    await sql`
      update client_mgmt.client_users set permissions = '{content.read_all}'
      where user_id = ${colleague.id} and organization_id = ${ann.organization.id}`
    const bob = await scripted.client(colleague)
    const elsewhere = bob.responses.create({ model, previous_response_id: id, input: 'B' })
    await expect(elsewhere).rejects.toMatchObject(unknown)
    expect(asked()).toHaveLength(1)
  })

  it('is one that failed, one that is not finished, and one that was deleted', async () => {
    scripted.answer({ text: ['One.'] })
    const { id } = await ask({ input: 'A' })
    const follow = () => ask({ previous_response_id: id, input: 'B' })
    const set = (status: string, completed_at: Date | null) => sql`
      update public.agent_executions set status = ${status}, completed_at = ${completed_at}
      where organization_id = ${ann.organization.id}`
    for (const change of [
      () => set('failed', new Date()),
      () => set('cancelled', new Date()),
      () => set('running', null),
      async () => {
        await set('success', new Date())
        await sql`delete from public.chat_sessions where organization_id = ${ann.organization.id}`
      },
    ]) {
      await change()
      await expect(follow()).rejects.toMatchObject(unknown)
    }
  })

  it('is one with a picture in the request, because it is not stored', async () => {
    scripted.answer({ text: ['A dot.'] })
    const image_url = 'data:image/png;base64,AA=='
    const picture = { type: 'input_image' as const, image_url, detail: 'auto' as const }
    const { id } = await ask({ input: [{ role: 'user', content: [picture] }] })
    const work = ask({ previous_response_id: id, input: 'What colour?' })
    await expect(work).rejects.toMatchObject({
      status: 400,
      param: 'previous_response_id',
      message: expect.stringContaining('not stored') as string,
    })
  })
})

it('a repeated request that follows a response gets the same answer, and pays once', async () => {
  scripted.answer({ text: ['One.'] }, { text: ['Two.'] })
  const { id } = await ask({ input: 'A' })
  const again = async (input: string) =>
    await client.responses.create(
      { model, previous_response_id: id, input },
      { headers: { 'Idempotency-Key': 'k1' } },
    )
  const [first, second] = [await again('B'), await again('B')]
  expect(second).toEqual(first)
  await expect(again('C')).rejects.toMatchObject({ status: 409 })
  expect(asked()).toHaveLength(2)
})

it('a conversation of responses reserves all that is sent, and counts what it keeps', async () => {
  scripted.answer({ text: ['One.'] })
  const { id } = await ask({ input: [told('x'.repeat(30_000)) as never, told('A') as never] })
  await sql`
    insert into client_mgmt.budgets (organization_id, period, limit_tokens)
    values (${ann.organization.id}, 'day', 20000)`
  const follow = ask({ previous_response_id: id, input: 'B', max_output_tokens: 10 })
  await expect(follow).rejects.toMatchObject({ code: 'insufficient_quota' })
  const [row] = await sql`
    select stored_bytes::int as bytes from public.agent_executions
    where organization_id = ${ann.organization.id}`
  expect(row?.['bytes']).toBeGreaterThan(30_000)
})
