import { describe, expect, it } from 'vitest'
import { stop, text } from '../support/agents/chat-stream.ts'
import type { ErrorBody } from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import { useAgents } from '../support/agents/use-agents.ts'

const made = useAgents({ models: 2 })
const { sql } = made

interface Asked {
  model: string
  messages: { role: string; content: string }[]
  [parameter: string]: unknown
}
const asked = () => made.provider.journal.map(({ body }) => JSON.parse(body) as Asked)

const ask = (rest: object = {}) =>
  made.worker.invoke(made.ann, { agent: made.agent, message: { content: 'Hello' }, ...rest })

const configure = (config: object, instructions: string | null = null) => sql`
  update public.agents set config = ${sql.json(config as never)}, instructions = ${instructions}
  where name = ${made.agent}`

const answer = eventStream([text('Hi'), stop])

describe('the parameters of a call', () => {
  it('come from the agent and the model, and a request wins over both', async () => {
    made.provider.respond(answer)
    await configure({ temperature: 0.2, top_p: 0.9, stop: ['END'], max_output_tokens: 700 })
    await sql`
      update public.models m set config = '{"temperature": 0.4, "seed": 5}'
      from public.agents a where a.id = m.agent_id and a.name = ${made.agent} and m.name = 'model-1'`
    await (await ask()).text()
    await (await ask({ params: { temperature: 1, max_output_tokens: 50 } })).text()
    const fixed = { top_p: 0.9, stop: ['END'], seed: 5 }
    expect(asked()).toMatchObject([
      { ...fixed, temperature: 0.4, max_tokens: 700 },
      { ...fixed, temperature: 1, max_tokens: 50 },
    ])
  })

  it('are those of the model that answers, when the first one failed', async () => {
    await configure({ temperature: 0.2 })
    await sql`
      update public.models m set config = '{"temperature": 0.4, "stop": ["END"]}'
      from public.agents a where a.id = m.agent_id and a.name = ${made.agent} and m.name = 'model-1'`
    made.provider.respond(({ body }) =>
      body.includes('"model-1"') ? [json(404, { error: { message: 'no such model' } })] : answer,
    )
    await (await ask()).text()
    const calls = asked()
    expect(calls.map(({ model, temperature, stop: end }) => [model, temperature, end])).toEqual([
      ['model-1', 0.4, ['END']],
      ['model-2', 0.2, undefined],
    ])
  })
})

describe('the system prompts of a call', () => {
  const systemOf = ({ messages }: Asked) =>
    messages.filter(({ role }) => role === 'system').map(({ content }) => content)

  it('begin with the platform’s, have the agent’s instructions, and end with the named prompt', async () => {
    made.provider.respond(answer)
    await configure({}, 'You sell lamps.')
    const { error } = await made.ann.client
      .schema('client_mgmt')
      .from('prompts')
      .insert({
        name: 'offer',
        template: 'Offer {{percent}} percent to {{customer}}.',
        variables: { percent: { type: 'number' }, customer: { type: 'text' } },
      })
    expect(error).toBeNull()
    const prompt = { name: 'offer', variables: { percent: 10, customer: 'Ada' } }
    await (await ask({ prompt })).text()
    const [call] = asked()
    expect(call && systemOf(call).slice(-2)).toEqual([
      'You sell lamps.',
      'Offer 10 percent to Ada.',
    ])
  })

  it('are refused with the name of the wrong variable, and no provider is called', async () => {
    await made.ann.client
      .schema('client_mgmt')
      .from('prompts')
      .insert({ name: 'due', template: '{{day}}', variables: { day: { type: 'date' } } })
    const refused = async (prompt: object) => {
      const response = await ask({ prompt })
      const { error } = (await response.json()) as ErrorBody
      return [response.status, error.code, error.message]
    }
    expect(await refused({ name: 'due', variables: { day: 'soon' } })).toEqual([
      400,
      'invalid_request',
      'prompt.variables.day: must be a date, as YYYY-MM-DD.',
    ])
    expect(await refused({ name: 'due' })).toEqual([
      400,
      'invalid_request',
      'prompt.variables.day: is required.',
    ])
    expect((await refused({ name: 'absent' })).slice(0, 2)).toEqual([404, 'prompt_not_found'])
    expect((await refused({ name: 'due', values: {} })).slice(0, 2)).toEqual([
      400,
      'invalid_request',
    ])
    expect((await refused({ variables: {} })).slice(0, 2)).toEqual([400, 'invalid_request'])
    expect(made.provider.journal).toEqual([])
  })
})
