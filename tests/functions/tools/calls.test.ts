import { describe, expect, it } from 'vitest'
import { addTenant, callsOf, executionOf, ofType } from '../../support/agents/tool-agents.ts'
import { add, adding, useToolAgents } from '../../support/agents/tool-fixture.ts'
import { startToolServer } from '../../support/agents/tool-server.ts'
import { setEndpoint } from '../../support/oauth/connect.ts'
import { accessToken } from '../../support/people/people.ts'

const made = useToolAgents(adding)
const { sql } = made

describe('a tool with policy auto', () => {
  it('is called, and the model answers with its result', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    made.agents.script(add, 'It is 42.')
    const { chunks, id } = await made.answer()
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-start', 'tool-input-delta', 'tool-input-available'],
      ...['tool-output-available', 'finish-step'],
      ...['start-step', 'text-start', 'text-delta', 'text-end', 'finish-step', 'finish'],
    ])
    expect(ofType(chunks, 'tool-output-available')).toMatchObject([
      {
        toolCallId: 'call-1',
        output: { content: [{ type: 'text', text: '42' }], truncated: false },
      },
    ])
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'success', server: 'tools', tool: 'add', arguments: '{"a":20,"b":22}', text: '42' },
    ])
    expect(await executionOf(sql, id)).toMatchObject({
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
    const [first, second] = made.agents.asked()
    expect(first?.tools).toMatchObject([
      { function: { name: 'tools__add', description: 'Adds two numbers.' } },
    ])
    expect(second?.messages.slice(-2)).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'call-1' }] },
      { role: 'tool', tool_call_id: 'call-1', content: '42' },
    ])
  })

  it('is the same for a later follower of the stream, and without a stream', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    made.agents.script(add, 'It is 42.')
    const { response, id } = await made.ask()
    const live = await response.text()
    const again = await made.agents.worker.request(made.ann.person, `executions/${id}/stream`)
    expect(await again.text()).toBe(live)
    made.agents.script(add, 'It is 42.')
    const whole = await made.ask({ stream: false })
    expect(await whole.response.json()).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'It is 42.', parts: [{}, { content: '42' }, {}] },
      usage: { input_tokens: 20, output_tokens: 10, total_tokens: 30 },
    })
  })

  it('is told to the model of the next turn with its result', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    made.agents.script(add, 'It is 42.')
    const { chunks } = await made.answer()
    const { session_id } = chunks[0]?.messageMetadata as { session_id: string }
    made.agents.script('You are welcome.')
    await made.answer({ session_id })
    expect(made.agents.asked()[0]?.messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'assistant', 'user'],
    ])
  })

  it('gets several calls at once, and a step each for what follows', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const both = [
      { ...add, id: 'x' },
      { ...add, id: 'y', args: { a: 1, b: 1 } },
    ]
    // The provider counts from zero in each answer.
    made.agents.script(both, { ...add, id: 'x', args: { a: 5, b: 5 } }, 'Done.')
    const { id } = await made.answer()
    const calls = await callsOf(sql, id)
    expect(calls.map(({ step, text }) => `${String(step)} ${String(text)}`)).toEqual([
      '1 42',
      '1 2',
      '2 10',
    ])
    expect(new Set(calls.map(({ tool_call_id }) => String(tool_call_id))).size).toBe(3)
  })

  it('is given no token of ours, and no header of the caller’s', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    made.agents.script(add, 'It is 42.')
    await made.answer()
    const token = await accessToken(made.ann.person)
    expect(made.server.calls()).toHaveLength(1)
    for (const { headers } of made.server.asked) {
      expect(headers.get('authorization')).toBeNull()
      expect(JSON.stringify([...headers])).not.toContain(token)
    }
  })

  it('may be one of several of which another does not answer', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const gone = await startToolServer({})
    await gone.close()
    await made.ann.addServer(gone.endpoint, 'auto', { name: 'gone' })
    const id = await made.ann.addServer('https://mcp.example/', 'auto', { name: 'private' })
    await setEndpoint(sql, id, 'https://10.0.0.1/mcp')
    made.agents.script(add, 'It is 42.')
    const { chunks, id: execution } = await made.answer()
    expect(ofType(chunks, 'data-tool-notice').map(({ data }) => data)).toEqual(
      expect.arrayContaining([
        { server: 'gone', code: 'server_unreachable' },
        { server: 'private', code: 'address_not_allowed' },
      ]),
    )
    expect(await executionOf(sql, execution)).toMatchObject({
      status: 'success',
      content: 'It is 42.',
    })
  })
})

describe('servers', () => {
  it('of the kind stdio are never run, and the person is told', async () => {
    await made.ann.addServer('', 'auto', {
      type: 'stdio',
      endpoint: null,
      command: 'npx',
      args: ['x'],
    })
    made.agents.script('No tools here.')
    const { chunks } = await made.answer()
    expect(ofType(chunks, 'data-tool-notice')).toMatchObject([
      { data: { server: 'tools', code: 'mcp_stdio_not_supported' } },
    ])
    expect(made.agents.asked()[0]).not.toHaveProperty('tools')
  })

  it('of a person’s own win over the organization’s of the same name', async () => {
    const own = await startToolServer({ mine: {} })
    await made.ann.addServer(made.server.endpoint, 'auto')
    await made.ann.addServer(own.endpoint, 'auto', { user_id: made.ann.person.id })
    made.agents.script({ name: 'tools__mine' }, 'Done.')
    await made.answer()
    expect(made.agents.asked()[0]?.tools?.map(({ function: { name } }) => name)).toEqual([
      'tools__mine',
    ])
    expect(made.server.asked).toEqual([])
    await own.close()
  })

  it('are asked for their tools once while a listing holds', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    // Of the older revision, which says nothing of how long: a minute.
    made.server.intercept = ({ method }, _request, response) => {
      if (method !== 'server/discover') return false
      response.writeHead(400).end('Bad Request: no such method')
      return true
    }
    made.agents.script('One.')
    await made.answer()
    await made.answer()
    expect(made.server.asked.filter(({ method }) => method === 'tools/list')).toHaveLength(1)
  })

  it('are shared by two organizations that share nothing', async () => {
    const bob = await addTenant(sql)
    await made.ann.addServer(made.server.endpoint, 'auto')
    await bob.addServer(made.server.endpoint)
    made.agents.script(add, 'It is 42.')
    const hers = await made.answer()
    made.agents.script(add)
    const his = await made.answer({}, bob)
    expect(await callsOf(sql, hers.id)).toMatchObject([{ status: 'success' }])
    expect(await callsOf(sql, his.id), 'his own policy').toMatchObject([{ status: 'pending' }])
    for (const [one, other] of [
      [made.ann, bob],
      [bob, made.ann],
    ] as const) {
      const { client } = one.person
      const rows = await Promise.all([
        client.schema('client_mgmt').from('mcp_tools').select('organization_id'),
        client.schema('client_mgmt').from('mcp_tool_policies').select('organization_id'),
        client.schema('conversation').from('tool_calls').select('organization_id'),
        client.schema('conversation').from('tool_approvals').select('organization_id'),
      ])
      const organizations = rows.flatMap(({ data }) => data ?? []).map((row) => row.organization_id)
      expect(organizations).toContain(one.person.organization.id)
      expect(organizations).not.toContain(other.person.organization.id)
    }
  })
})
