import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connectOwner } from '../support/database.ts'
import {
  addTenant,
  chunksOf,
  ofType,
  startToolAgents,
  type Tenant,
  type ToolAgents,
} from '../support/tool-agents.ts'
import { startToolServer, textAnswer, type ToolServer } from '../support/tool-server.ts'

const sql = connectOwner()
let agents: ToolAgents
let server: ToolServer
let ann: Tenant

beforeAll(async () => {
  agents = await startToolAgents()
})
afterAll(() => agents.close())
beforeEach(async () => {
  ann = await addTenant(sql)
  server = await startToolServer({
    add: {
      description: 'Adds two numbers.',
      inputSchema: {
        type: 'object',
        properties: { a: { type: 'number' }, b: { type: 'number' } },
        required: ['a', 'b'],
      },
      run: ({ a, b }) => textAnswer(String(Number(a) + Number(b))),
    },
  })
  return () => server.close()
})

const add = { name: 'tools__add', args: { a: 20, b: 22 } }
const ask = async (tenant: Tenant = ann, body: object = {}) => {
  const { agent, person } = tenant
  const response = await agents.worker.invoke(person, {
    agent,
    message: { content: 'Add' },
    ...body,
  })
  return { response, id: response.headers.get('x-execution-id') ?? '' }
}
const callsOf = (id: string) => sql`
  select status, error_code, server, tool, arguments, result ->> 'text' as text
  from conversation.tool_calls where execution_id = ${id} order by step, position`
const executionOf = async (id: string) => {
  const [row] = await sql`
    select x.status, x.finish_reason, x.error_code, x.input_tokens::int, x.output_tokens::int,
      m.content, m.parts
    from public.agent_executions x
    left join public.chat_messages m on m.id = x.response_message_id where x.id = ${id}`
  return { ...row }
}

describe('a tool with policy auto', () => {
  it('is called, and the model answers with its result', async () => {
    await ann.addServer(server.endpoint, 'auto')
    agents.script(add, 'It is 42.')
    const { response, id } = await ask()
    const chunks = chunksOf(await response.text())
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-available', 'tool-output-available', 'finish-step'],
      ...['start-step', 'text-start', 'text-delta', 'text-end', 'finish-step', 'finish'],
    ])
    expect(ofType(chunks, 'tool-output-available')).toMatchObject([
      {
        toolCallId: 'call-1',
        output: { content: [{ type: 'text', text: '42' }], truncated: false },
      },
    ])
    expect(await callsOf(id)).toMatchObject([
      { status: 'success', server: 'tools', tool: 'add', arguments: '{"a":20,"b":22}', text: '42' },
    ])
    expect(await executionOf(id)).toMatchObject({
      status: 'success',
      finish_reason: 'stop',
      content: 'It is 42.',
      input_tokens: 20,
      output_tokens: 10,
      parts: [
        { type: 'tool_call', id: 'call-1', name: 'tools__add' },
        { type: 'tool_result', tool_call_id: 'call-1', content: '42' },
        { type: 'text', text: 'It is 42.' },
      ],
    })
    const [first, second] = agents.asked()
    expect(first?.tools).toMatchObject([
      { function: { name: 'tools__add', description: 'Adds two numbers.' } },
    ])
    expect(second?.messages.slice(-2)).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'call-1' }] },
      { role: 'tool', tool_call_id: 'call-1', content: '42' },
    ])
  })
})
