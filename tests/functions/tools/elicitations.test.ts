import type { ServerResponse } from 'node:http'
import { readUIMessageStream, uiMessageChunkSchema, type UIMessageChunk } from 'ai'
import { describe, expect, it } from 'vitest'
import { type Decision, send, useApprovals } from '../../support/agents/approval-fixture.ts'
import type { ErrorBody } from '../../support/agents/invoke.ts'
import { callsOf, executionOf, ofType } from '../../support/agents/tool-agents.ts'
import { type Asked, textAnswer } from '../../support/agents/tool-server.ts'
import { type Person, signUpWithOrganization } from '../../support/people/people.ts'
import { untilServed } from '../../support/stack/until-answered.ts'

const { made, decided, follow, post } = useApprovals()
const { sql } = made
const codeOf = async (response: Response) => ((await response.json()) as ErrorBody).error.code

const schema = {
  type: 'object',
  properties: { city: { type: 'string', maxLength: 20 } },
  required: ['city'],
}
const where = {
  method: 'elicitation/create',
  params: { message: 'Where?', requestedSchema: schema },
}
const asks = (round: number) => ({
  resultType: 'input_required',
  inputRequests: { where },
  requestState: `state ${round}`,
})
const city = (name: string) => ({ where: { action: 'accept', content: { city: name } } })

/** The server asks a number of times before it answers. */
function serverAsks(times: number, question: (round: number) => object = asks): Asked[] {
  const calls: Asked[] = []
  made.server.intercept = (asked, _request, response: ServerResponse) => {
    if (asked.method !== 'tools/call' || asked.tool !== 'send') return false
    calls.push(asked)
    const done = { resultType: 'complete', ...textAnswer('sent') }
    const result = calls.length <= times ? { result: question(calls.length) } : { result: done }
    const error = question(calls.length)
    const said = calls.length <= times && 'code' in error ? { error } : result
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id: asked.id, ...said }))
    return true
  }
  return calls
}

const answer = (id: string, answers: unknown, round = 1, person: Person = made.ann.person) =>
  post(`executions/${id}/answers/call-1`, { round, answers }, person)
const answered = async (...args: Parameters<typeof answer>) =>
  (await (await untilServed(() => answer(...args))).json()) as Decision

describe('a tool that asks the person', () => {
  it('waits without cost, and is called again with the answer and its state', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const calls = serverAsks(1)
    made.agents.script(send, 'It is on its way.')
    const { id, chunks } = await made.answer({ params: { temperature: 0.5 } })
    expect(chunks.map(({ type }) => type)).toEqual([
      ...['start', 'start-step', 'tool-input-start', 'tool-input-delta', 'tool-input-available'],
      ...['data-elicitation', 'finish-step', 'finish'],
    ])
    const [shown] = ofType(chunks, 'data-elicitation')
    expect(shown?.['data']).toMatchObject({
      ...{ execution_id: id, tool_call_id: 'call-1', server: 'tools', tool: 'send', round: 1 },
      questions: [{ key: 'where', mode: 'form', message: 'Where?' }],
    })
    expect(chunks.at(-1)).toMatchObject({
      ...{ finishReason: 'tool-calls', messageMetadata: { finish_reason: 'tool_input_required' } },
    })
    expect(await callsOf(sql, id)).toMatchObject([{ status: 'pending', error_code: null }])
    const { data } = await made.ann.person.client
      .schema('conversation')
      .from('tool_elicitations')
      .select('round, questions, actions')
    expect(data).toMatchObject([{ round: 1, questions: [{ key: 'where' }], actions: null }])
    const [kept] =
      await sql`select request_state from private.elicitation_secrets where execution_id = ${id}`
    expect(kept?.['request_state']).toMatch(/^v1\./)

    const decision = await answered(id, city('Rome'))
    expect(decision).toMatchObject({ tool_call_id: 'call-1', status: 'approved', waiting: 0 })
    const next = await follow(decision.execution_id)
    expect(next.map(({ type }) => type).slice(2, 4)).toEqual([
      ...['tool-input-available', 'tool-output-available'],
    ])
    expect(calls.map(({ params }) => params)).toMatchObject([
      { arguments: { to: 'Bob' } },
      { arguments: { to: 'Bob' }, inputResponses: city('Rome'), requestState: 'state 1' },
    ])
    expect(await executionOf(sql, decision.execution_id ?? '')).toMatchObject({
      ...{ status: 'success', content: 'It is on its way.' },
      parts: [{ type: 'tool_result', content: 'sent' }, { type: 'text' }],
    })
    expect(made.agents.asked()[1]).toMatchObject({ temperature: 0.5 })
    // The same answer sent again says the same.
    expect(await answered(id, city('Rome'))).toMatchObject({ execution_id: decision.execution_id })
    expect(await codeOf(await answer(id, city('Oslo')))).toBe('tool_call_decided')
  })

  it('asks again after an approval: its rounds have no message, and each costs nothing', async () => {
    await made.ann.addServer(made.server.endpoint, 'ask')
    const calls = serverAsks(2)
    made.agents.script(send, 'Done.')
    const { id, chunks } = await made.answer()
    expect(ofType(chunks, 'tool-approval-request')).toHaveLength(1)
    const second = await decided(id, 'approve')
    const asking = await follow(second.execution_id)
    expect(ofType(asking, 'data-elicitation')).toMatchObject([
      { data: { execution_id: id, round: 1 } },
    ])
    expect(await executionOf(sql, second.execution_id ?? '')).toMatchObject({
      ...{ status: 'success', finish_reason: 'tool_input_required' },
      ...{ input_tokens: 0, output_tokens: 0, content: null },
    })
    const third = await answered(id, city('Rome'))
    expect(ofType(await follow(third.execution_id), 'data-elicitation')).toMatchObject([
      { data: { round: 2 } },
    ])
    expect(await codeOf(await answer(id, city('Rome')))).toBe('tool_call_decided')
    const fourth = await answered(id, { where: { action: 'decline' } }, 2)
    await follow(fourth.execution_id)
    expect(calls.map(({ params }) => params?.['requestState'])).toEqual([
      ...[undefined, 'state 1', 'state 2'],
    ])
    expect(calls[2]?.params?.['inputResponses']).toEqual({ where: { action: 'decline' } })
    expect(made.agents.asked()).toHaveLength(2)
    // The branch goes on from the last answer.
    const { session_id } = chunks[0]?.messageMetadata as { session_id: string }
    made.agents.script('You are welcome.')
    await made.answer({ session_id })
    expect(made.agents.asked()[0]?.messages.map(({ role }) => role)).toEqual([
      ...['user', 'assistant', 'tool', 'assistant', 'user'],
    ])
  })

  it('is stopped after eight rounds, and the model is told', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const calls = serverAsks(1_000)
    made.agents.script(send, 'I give up.')
    const { id } = await made.answer()
    for (let round = 1; round <= 8; round += 1) {
      await follow((await answered(id, city('Rome'), round)).execution_id)
    }
    expect(calls).toHaveLength(9)
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'error', error_code: 'tool_input_limit' },
    ])
    expect(made.agents.asked()[1]?.messages.at(-1)?.content).toMatch(/again and again/)
  })

  it('of an older revision names a page: the call is made again when the person is done there', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const page = {
      mode: 'url',
      elicitationId: 'e',
      url: 'https://a.example/in',
      message: 'Sign in',
    }
    const calls = serverAsks(2, () => ({
      code: -32_042,
      message: 'x',
      data: { elicitations: [page] },
    }))
    made.agents.script(send, 'Done.', send, 'Not done.')
    const { id, chunks } = await made.answer()
    expect(ofType(chunks, 'data-elicitation')).toMatchObject([
      { data: { questions: [{ key: 'e', url: 'https://a.example/in', host: 'a.example' }] } },
    ])
    const again = await answered(id, { e: { action: 'accept' } })
    await follow(again.execution_id)
    expect(calls).toHaveLength(2)
    expect(calls[1]?.params).not.toHaveProperty('inputResponses')
    await follow((await answered(id, { e: { action: 'cancel' } }, 2)).execution_id)
    expect(calls, 'not made without the person').toHaveLength(2)
    expect(await callsOf(sql, id)).toMatchObject([
      { status: 'error', error_code: 'tool_input_declined' },
    ])
  })

  it.each([
    ['a secret', { properties: { password: { type: 'string' } } }, 'asks for a secret'],
    ['a form that no form is', 'a text', 'not one of an object'],
  ])('for %s is refused, and the model is told why', async (_, requestedSchema, reason) => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    serverAsks(1, () => ({
      resultType: 'input_required',
      inputRequests: { a: { ...where, params: { message: '', requestedSchema } } },
    }))
    made.agents.script(send, 'It wants what it must not.')
    const { id } = await made.answer()
    expect(await callsOf(sql, id)).toMatchObject([{ error_code: 'tool_input_invalid' }])
    expect(made.agents.asked()[1]?.messages.at(-1)?.content).toContain(reason)
  })
})

describe('an answer', () => {
  it('is the person’s own, and fits the form', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const calls = serverAsks(1)
    made.agents.script(send, 'Done.')
    const { id } = await made.answer()
    const stranger = await signUpWithOrganization('stranger')
    const foreign = await answer(id, city('Rome'), 1, stranger)
    expect([foreign.status, await codeOf(foreign)]).toEqual([404, 'tool_call_not_found'])
    for (const answers of [
      ...[{}, [], { where: {} }, { where: { action: 'accept' } }, city('x'.repeat(21))],
      ...[{ ...city('Rome'), other: { action: 'decline' } }, { where: { action: 'maybe' } }],
      ...[{ where: { action: 'accept', content: { city: 'Rome', more: 1 } } }],
      ...[{ where: { action: 'accept', content: { city: { a: 1 } } } }],
      ...[{ where: { action: 'decline', content: { city: 'Rome' } } }],
    ]) {
      const refused = await answer(id, answers)
      expect([refused.status, await codeOf(refused)], JSON.stringify(answers)).toEqual([
        ...[400, 'invalid_request'],
      ])
    }
    const later = await answer(id, city('Rome'), 2)
    expect([later.status, await codeOf(later)]).toEqual([409, 'tool_call_decided'])
    // A client that goes around the route: the worker checks again.
    const { error } = await made.ann.person.client.rpc('answer_tool_call', {
      ...{ execution_id: id, tool_call_id: 'call-1', round: 1, actions: { where: 'accept' } },
      ...{ answers: 'v1.k.n.c', answers_hash: 'a'.repeat(64) },
    })
    expect(error).toBeNull()
    expect(calls, 'nothing was sent').toHaveLength(1)
  })

  it('of two devices at once counts once', async () => {
    await made.ann.addServer(made.server.endpoint, 'auto')
    const calls = serverAsks(1)
    made.agents.script(send, 'Done.')
    const { id } = await made.answer()
    const names = ['Rome', 'Oslo', 'Rome', 'Oslo']
    const responses = await Promise.all(names.map((name) => answer(id, city(name))))
    const taken = responses.filter(({ ok }) => ok)
    const ids = await Promise.all(
      taken.map(async (r) => ((await r.json()) as Decision).execution_id),
    )
    expect(new Set(ids).size).toBe(1)
    await follow(ids[0] ?? null)
    expect(calls).toHaveLength(2)
  })
})

it('the AI SDK reads the question as a part of the answer', async () => {
  await made.ann.addServer(made.server.endpoint, 'auto')
  serverAsks(1)
  made.agents.script(send, 'Done.')
  const { chunks } = await made.answer()
  const { validate } = uiMessageChunkSchema()
  for (const chunk of chunks) expect(await validate?.(chunk)).toMatchObject({ success: true })
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk as UIMessageChunk)
      controller.close()
    },
  })
  let last
  for await (const message of readUIMessageStream({ stream, terminateOnError: true }))
    last = message
  expect(last?.parts).toMatchObject([
    { type: 'step-start' },
    { type: 'dynamic-tool', state: 'input-available' },
    { type: 'data-elicitation', data: { tool_call_id: 'call-1' } },
  ])
})
