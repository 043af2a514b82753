import { readUIMessageStream, uiMessageChunkSchema, type UIMessageChunk } from 'ai'
import { describe, expect, it } from 'vitest'
import { send, useApprovals } from '../../support/agents/approval-fixture.ts'
import type { ErrorBody } from '../../support/agents/invoke.ts'
import { callsOf, executionOf, ofType } from '../../support/agents/tool-agents.ts'

const { made, decide, decided, follow } = useApprovals()
const { sql } = made
const codeOf = async (response: Response) => ((await response.json()) as ErrorBody).error.code

describe('a tool with policy ask', () => {
  it('is not called: the person is asked, and the execution ends', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send)
    const { id, chunks } = await made.answer()
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-start', 'tool-input-delta', 'tool-input-available'],
      'tool-approval-request',
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
    expect(made.server.calls()).toEqual([])
    const { data } = await made.ann.person.client
      .schema('conversation')
      .from('tool_calls')
      .select('*, tool_approvals(*)')
      .eq('status', 'pending')
    expect(data).toMatchObject([
      { tool_call_id: 'call-1', server: 'tools', tool: 'send', tool_approvals: { decision: null } },
    ])
  })

  it('is what a server without a policy has', async () => {
    await made.ann.addServer(made.server.endpoint)
    made.agents.script(send)
    expect((await made.answer()).chunks.at(-1)).toMatchObject({
      messageMetadata: { finish_reason: 'tool_approval_required' },
    })
  })

  it.each([
    ['{"sent":true}', { status: 'success', error_code: null }],
    ['Sent.', { status: 'failed', error_code: 'answer_does_not_match_schema' }],
  ])('goes on with the format that was asked for: %s', async (said, ended) => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send, said)
    const properties = { sent: { type: 'boolean' }, by: { type: 'string' } }
    const schema = { type: 'object', properties, required: ['sent'] }
    const { id } = await made.answer({ format: { schema } })
    const { execution_id } = await decided(id, 'approve')
    await follow(execution_id)
    const [first, next] = made.agents.asked()
    expect(first?.response_format).toMatchObject({ type: 'json_schema' })
    expect(JSON.stringify(next?.response_format)).toBe(JSON.stringify(first?.response_format))
    expect(await executionOf(sql, execution_id ?? '')).toMatchObject(ended)
  })

  it('is called once it is approved, and the turn goes on in a new execution', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send, 'The letter is on its way.')
    const { id } = await made.answer({ params: { temperature: 0.5 } })
    const decision = await decided(id, 'approve')
    expect(decision).toMatchObject({ tool_call_id: 'call-1', status: 'approved', waiting: 0 })
    const chunks = await follow(decision.execution_id)
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-available', 'tool-output-available'],
      ...['text-start', 'text-delta', 'text-end', 'finish-step', 'finish'],
    ])
    expect(made.server.calls()).toEqual([{ to: 'Bob' }])
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'success', text: 'sent to Bob' }])
    expect(await executionOf(sql, decision.execution_id ?? '')).toMatchObject({
      status: 'success',
      content: 'The letter is on its way.',
      parts: [{ type: 'tool_result', content: 'sent to Bob' }, { type: 'text' }],
    })
    const [, next] = made.agents.asked()
    expect(next).toMatchObject({ temperature: 0.5 })
    expect(next?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
    // The branch goes on from there.
    const { session_id } = chunks[0]?.messageMetadata as { session_id: string }
    made.agents.script('You are welcome.')
    await made.answer({ session_id })
    expect(made.agents.asked()[0]?.messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'assistant', 'user'],
    ])
  })

  it('is not called when it is denied, and the model is told', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send, 'Then not.')
    const { id } = await made.answer()
    const { status, execution_id } = await decided(id, 'deny')
    expect(status).toBe('denied')
    const chunks = await follow(execution_id)
    expect(ofType(chunks, 'tool-output-denied')).toHaveLength(1)
    expect(made.server.calls()).toEqual([])
    expect(made.agents.asked()[1]?.messages.at(-1)).toMatchObject({
      role: 'tool',
      content: 'This call was not made: the person did not approve it.',
    })
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_denied' },
    ])
  })

  it('is not called when the approval comes too late', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send)
    const { id } = await made.answer()
    await sql`update conversation.tool_approvals set expires_at = now() where execution_id = ${id}`
    const late = await decide(id, 'approve')
    expect(late.status).toBe(409)
    expect(await codeOf(late)).toBe('tool_approval_expired')
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'expired' }])
    expect(made.server.calls()).toEqual([])
  })

  it('waits until all calls of the answer are decided; those that need no approval are made', async () => {
    const server_id = await made.ann.addServer(made.server.endpoint, 'ask')
    await sql`
      insert into client_mgmt.mcp_tool_policies (organization_id, mcp_configuration_id, tool_name, policy)
      values (${made.ann.person.organization.id}, ${server_id}, 'look', 'auto')`
    const other = { ...send, args: { to: 'Eve' } }
    made.agents.script([send, { name: 'tools__look' }, other], 'One letter is on its way.')
    const { id } = await made.answer()
    expect(made.server.asked.filter(({ tool }) => tool === 'look')).toHaveLength(1)
    expect(await decided(id, 'approve', 'call-1')).toMatchObject({ waiting: 1, execution_id: null })
    const { execution_id } = await decided(id, 'deny', 'call-3')
    await follow(execution_id)
    expect(made.server.calls()).toEqual([{}, { to: 'Bob' }])
    const results = made.agents.asked()[1]?.messages.filter(({ role }) => role === 'tool')
    expect(results?.map(({ tool_call_id, content }) => [tool_call_id, content])).toEqual([
      ['call-2', 'seen'],
      ['call-1', 'sent to Bob'],
      ['call-3', 'This call was not made: the person did not approve it.'],
    ])
  })

  it('is called with the arguments that were approved and no others', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send, 'Hm.')
    const { id } = await made.answer()
    await sql`update conversation.tool_calls set arguments = '{"to":"Mallory"}' where execution_id = ${id}`
    await follow((await decided(id, 'approve')).execution_id)
    expect(made.server.calls()).toEqual([])
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'denied', error_code: 'tool_call_changed' },
    ])
  })
})

describe('the AI SDK', () => {
  it('reads every chunk, and shows the call with its state', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    made.agents.script(send, 'The letter is on its way.')
    const { id, chunks } = await made.answer()
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
