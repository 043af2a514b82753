import { readUIMessageStream, uiMessageChunkSchema, type UIMessageChunk } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import { callFunction, type ErrorBody } from '../support/agents/invoke.ts'
import {
  addTenant,
  callsOf,
  chunksOf,
  executionOf,
  ofType,
  startToolAgents,
  type Tenant,
  type ToolAgents,
} from '../support/agents/tool-agents.ts'
import { startToolServer, textAnswer, type ToolServer } from '../support/agents/tool-server.ts'
import { type Person, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'
import { untilServed } from '../support/stack/until-answered.ts'

const sql = connectOwner()
let agents: ToolAgents
let elsewhere: AgentsWorker
let server: ToolServer
let ann: Tenant

const variables = () => ({
  OPENROUTER_API_KEY: 'sk-or-v1-of-a-scripted-model',
  OPENROUTER_BASE_URL: agents.provider.url,
})

beforeAll(async () => {
  agents = await startToolAgents()
  elsewhere = await startAgentsWorker(variables())
})
afterAll(async () => {
  await elsewhere.close()
  await agents.close()
})
beforeEach(async () => {
  ann = await addTenant(sql)
  server = await startToolServer({
    send: { description: 'Sends a letter.', run: ({ to }) => textAnswer(`sent to ${String(to)}`) },
    look: { description: 'Looks.', run: () => textAnswer('seen') },
  })
  return () => server.close()
})

const send = { name: 'tools__send', args: { to: 'Bob' } }
const ask = async (body: object = {}) => {
  const message = { content: 'Write' }
  const { agent, person } = ann
  const response = await agents.worker.invoke(person, { agent, message, ...body })
  const id = response.headers.get('x-execution-id') ?? ''
  return { id, chunks: chunksOf(await response.text()) }
}
/** From another worker, as another device would. */
const decide = (id: string, decision: unknown, call = 'call-1', person: Person = ann.person) =>
  elsewhere.request(person, `executions/${id}/approvals/${call}`, {
    method: 'POST',
    body: typeof decision === 'string' ? { decision } : decision,
  })
interface Decision {
  tool_call_id: string
  status: string
  waiting: number
  execution_id: string | null
}
const decided = async (...args: Parameters<typeof decide>) =>
  (await (await untilServed(() => decide(...args))).json()) as Decision
const follow = async (id: string | null) => {
  const response = await elsewhere.request(ann.person, `executions/${id ?? ''}/stream`)
  return chunksOf(await response.text())
}
const codeOf = async (response: Response) => ((await response.json()) as ErrorBody).error.code

describe('a tool with policy ask', () => {
  it('is not called: the person is asked, and the execution ends', async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send)
    const { id, chunks } = await ask()
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-available', 'tool-approval-request'],
      ...['finish-step', 'finish'],
    ])
    expect(ofType(chunks, 'tool-approval-request')).toEqual([
      { type: 'tool-approval-request', approvalId: 'call-1', toolCallId: 'call-1' },
    ])
    expect(chunks.at(-1)).toMatchObject({
      finishReason: 'tool-calls',
      messageMetadata: { finish_reason: 'tool_approval_required' },
    })
    expect(await executionOf(sql, id)).toMatchObject({
      status: 'success',
      finish_reason: 'tool_approval_required',
      parts: [{ type: 'tool_call', id: 'call-1' }],
    })
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'pending' }])
    expect(server.calls()).toEqual([])
    const { data } = await ann.person.client
      .schema('conversation')
      .from('tool_calls')
      .select('*, tool_approvals(*)')
      .eq('status', 'pending')
    expect(data).toMatchObject([
      { tool_call_id: 'call-1', server: 'tools', tool: 'send', tool_approvals: { decision: null } },
    ])
  })

  it('is what a server without a policy has', async () => {
    await ann.addServer(server.endpoint)
    agents.script(send)
    expect((await ask()).chunks.at(-1)).toMatchObject({
      messageMetadata: { finish_reason: 'tool_approval_required' },
    })
  })

  it.each([
    ['{"sent":true}', { status: 'success', error_code: null }],
    ['Sent.', { status: 'failed', error_code: 'answer_does_not_match_schema' }],
  ])('goes on with the format that was asked for: %s', async (said, ended) => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send, said)
    const properties = { sent: { type: 'boolean' }, by: { type: 'string' } }
    const schema = { type: 'object', properties, required: ['sent'] }
    const { id } = await ask({ format: { schema } })
    const { execution_id } = await decided(id, 'approve')
    await follow(execution_id)
    const [first, next] = agents.asked()
    expect(first?.response_format).toMatchObject({ type: 'json_schema' })
    expect(JSON.stringify(next?.response_format)).toBe(JSON.stringify(first?.response_format))
    expect(await executionOf(sql, execution_id ?? '')).toMatchObject(ended)
  })

  it('is called once it is approved, and the turn goes on in a new execution', async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send, 'The letter is on its way.')
    const { id } = await ask({ params: { temperature: 0.5 } })
    const decision = await decided(id, 'approve')
    expect(decision).toMatchObject({ tool_call_id: 'call-1', status: 'approved', waiting: 0 })
    const chunks = await follow(decision.execution_id)
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-available', 'tool-output-available'],
      ...['text-start', 'text-delta', 'text-end', 'finish-step', 'finish'],
    ])
    expect(server.calls()).toEqual([{ to: 'Bob' }])
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'success', text: 'sent to Bob' }])
    expect(await executionOf(sql, decision.execution_id ?? '')).toMatchObject({
      status: 'success',
      content: 'The letter is on its way.',
      parts: [{ type: 'tool_result', content: 'sent to Bob' }, { type: 'text' }],
    })
    const [, next] = agents.asked()
    expect(next).toMatchObject({ temperature: 0.5 })
    expect(next?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
    // The branch goes on from there.
    const { session_id } = chunks[0]?.messageMetadata as { session_id: string }
    agents.script('You are welcome.')
    await ask({ session_id })
    expect(agents.asked()[0]?.messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'assistant', 'user'],
    ])
  })

  it('is not called when it is denied, and the model is told', async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send, 'Then not.')
    const { id } = await ask()
    const { status, execution_id } = await decided(id, 'deny')
    expect(status).toBe('denied')
    const chunks = await follow(execution_id)
    expect(ofType(chunks, 'tool-output-denied')).toHaveLength(1)
    expect(server.calls()).toEqual([])
    expect(agents.asked()[1]?.messages.at(-1)).toMatchObject({
      role: 'tool',
      content: 'This call was not made: the person did not approve it.',
    })
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_denied' },
    ])
  })

  it('is not called when the approval comes too late', async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send)
    const { id } = await ask()
    await sql`update conversation.tool_approvals set expires_at = now() where execution_id = ${id}`
    const late = await decide(id, 'approve')
    expect(late.status).toBe(409)
    expect(await codeOf(late)).toBe('tool_approval_expired')
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'expired' }])
    expect(server.calls()).toEqual([])
  })

  it('waits until all calls of the answer are decided; those that need no approval are made', async () => {
    const server_id = await ann.addServer(server.endpoint, 'ask')
    await sql`
      insert into client_mgmt.mcp_tool_policies (organization_id, mcp_configuration_id, tool_name, policy)
      values (${ann.person.organization.id}, ${server_id}, 'look', 'auto')`
    const other = { ...send, args: { to: 'Eve' } }
    agents.script([send, { name: 'tools__look' }, other], 'One letter is on its way.')
    const { id } = await ask()
    expect(server.asked.filter(({ tool }) => tool === 'look')).toHaveLength(1)
    expect(await decided(id, 'approve', 'call-1')).toMatchObject({ waiting: 1, execution_id: null })
    const { execution_id } = await decided(id, 'deny', 'call-3')
    await follow(execution_id)
    expect(server.calls()).toEqual([{}, { to: 'Bob' }])
    const results = agents.asked()[1]?.messages.filter(({ role }) => role === 'tool')
    expect(results?.map(({ tool_call_id, content }) => [tool_call_id, content])).toEqual([
      ['call-2', 'seen'],
      ['call-1', 'sent to Bob'],
      ['call-3', 'This call was not made: the person did not approve it.'],
    ])
  })

  it('is called with the arguments that were approved and no others', async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send, 'Hm.')
    const { id } = await ask()
    await sql`update conversation.tool_calls set arguments = '{"to":"Mallory"}' where execution_id = ${id}`
    await follow((await decided(id, 'approve')).execution_id)
    expect(server.calls()).toEqual([])
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_changed' },
    ])
  })
})

describe('a decision', () => {
  const waiting = async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send, 'Done.')
    return (await ask()).id
  }

  it('is made once: said again it changes nothing, said otherwise it is refused', async () => {
    const id = await waiting()
    const first = await decided(id, 'approve')
    await follow(first.execution_id)
    const again = await decided(id, 'approve')
    expect(again.execution_id).toBe(first.execution_id)
    const otherwise = await decide(id, 'deny')
    expect([otherwise.status, await codeOf(otherwise)]).toEqual([409, 'tool_call_decided'])
    expect(server.calls()).toHaveLength(1)
  })

  it('said fifty times at once makes one call', async () => {
    const id = await waiting()
    const decisions = await Promise.all(Array.from({ length: 50 }, () => decided(id, 'approve')))
    const executions = new Set(decisions.map(({ execution_id }) => execution_id))
    expect(executions.size).toBe(1)
    for (const execution of executions) await follow(execution)
    expect(server.calls()).toHaveLength(1)
  })

  it('is the person’s own', async () => {
    const id = await waiting()
    const stranger = await signUpWithOrganization('stranger')
    const foreign = await decide(id, 'approve', 'call-1', stranger)
    expect([foreign.status, await codeOf(foreign)]).toEqual([404, 'execution_not_found'])
    const nobody = await callFunction(`agents/executions/${id}/approvals/call-1`, {
      token: null,
      body: { decision: 'approve' },
    })
    expect(nobody.status).toBe(401)
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'pending' }])
  })

  it('names a call that waits, and says one of two things', async () => {
    const id = await waiting()
    const unknown = await decide(id, 'approve', 'call-9')
    expect([unknown.status, await codeOf(unknown)]).toEqual([404, 'tool_call_not_found'])
    for (const body of [{ decision: 'maybe' }, {}, { decision: 'approve', arguments: {} }]) {
      expect((await decide(id, body)).status).toBe(400)
    }
    const get = await elsewhere.request(ann.person, `executions/${id}/approvals/call-1`)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await decide('no-uuid', 'approve')).status).toBe(404)
  })

  it('that comes before the stream has ended waits for it', async () => {
    await ann.addServer(server.endpoint, 'ask')
    const id = (await ann.person.client.from('mcp_configurations').select('id').single()).data?.id
    await sql`
      insert into client_mgmt.mcp_tool_policies (organization_id, mcp_configuration_id, tool_name, policy)
      values (${ann.person.organization.id}, ${id ?? 0}, 'look', 'auto')`
    let early: Promise<Decision> | undefined
    server.tools.set('look', {
      run: async () => {
        const [row] = await sql<{ execution_id: string }[]>`
          select execution_id from conversation.tool_approvals
          where organization_id = ${ann.person.organization.id}`
        early = decided(row?.execution_id ?? '', 'approve')
        await new Promise((resolve) => setTimeout(resolve, 300))
        return textAnswer('seen')
      },
    })
    agents.script([send, { name: 'tools__look' }], 'Done.')
    await ask()
    const decision = await early
    expect(decision).toMatchObject({ status: 'approved' })
    await follow(decision?.execution_id ?? null)
    expect(server.calls()).toContainEqual({ to: 'Bob' })
  })

  it('is no, where the conversation has gone on', async () => {
    const id = await waiting()
    const [row] = await sql`select session_id from public.agent_executions where id = ${id}`
    agents.script('Something else.')
    await ask({ session_id: row?.session_id as string })
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_superseded' },
    ])
    const late = await decide(id, 'approve')
    expect([late.status, await codeOf(late)]).toEqual([409, 'tool_call_decided'])
    expect(agents.asked()[0]?.messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'user'],
    ])
  })
})

describe('a worker that dies in the middle of a call', () => {
  it('leaves it unknown: the next execution is told, and no worker makes it again', async () => {
    await ann.addServer(server.endpoint, 'auto')
    const doomed = await startAgentsWorker(variables())
    server.tools.set('send', { run: () => new Promise(() => undefined) })
    agents.script(send, 'Let me see.')
    const { agent, person } = ann
    const response = await doomed.invoke(person, { agent, message: { content: 'Write' } })
    const id = response.headers.get('x-execution-id') ?? ''
    await expect.poll(() => server.calls()).toHaveLength(1)
    doomed.kill()
    await expect(response.text()).rejects.toThrow()
    await sql`update public.agent_executions set lease_expires_at = now() where id = ${id}`
    await follow(id)
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'unknown', error_code: 'interrupted' }])
    const [row] = await sql`select session_id from public.agent_executions where id = ${id}`
    agents.script('I do not know whether the letter was sent.')
    await ask({ session_id: row?.session_id as string })
    expect(agents.asked()[0]?.messages).toMatchObject([
      { role: 'user' },
      { role: 'assistant' },
      { role: 'tool', content: expect.stringContaining('may have been carried out') as string },
      { role: 'user' },
    ])
    expect(server.calls()).toHaveLength(1)
    await doomed.close()
  })
})

describe('the AI SDK', () => {
  it('reads every chunk, and shows the call with its state', async () => {
    await ann.addServer(server.endpoint, 'ask')
    agents.script(send, 'The letter is on its way.')
    const { id, chunks } = await ask()
    const { execution_id } = await decided(id, 'approve')
    const next = await follow(execution_id)
    const { validate } = uiMessageChunkSchema()
    for (const chunk of [...chunks, ...next]) {
      expect(await validate?.(chunk), JSON.stringify(chunk)).toMatchObject({ success: true })
    }
    expect((await lastMessage(chunks))?.parts).toMatchObject([
      { type: 'step-start' },
      {
        type: 'dynamic-tool',
        toolName: 'tools__send',
        state: 'approval-requested',
        input: { to: 'Bob' },
      },
    ])
    expect((await lastMessage(next))?.parts).toMatchObject([
      { type: 'step-start' },
      { type: 'dynamic-tool', toolName: 'tools__send', state: 'output-available' },
      { type: 'text', text: 'The letter is on its way.' },
    ])
  })

  async function lastMessage(chunks: readonly object[]) {
    const stream = new ReadableStream<UIMessageChunk>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk as UIMessageChunk)
        controller.close()
      },
    })
    let last
    for await (const message of readUIMessageStream({ stream, terminateOnError: true }))
      last = message
    return last
  }
})
