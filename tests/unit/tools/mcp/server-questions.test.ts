import { describe, expect, it } from 'vitest'
import type { Reply } from '../../../../supabase/functions/_shared/tools/elicitation.ts'
import { openAt } from '../../../support/agents/open-scripted.ts'
import {
  byHand,
  discovered,
  each,
  initialized,
  json,
  type Script,
  startScripted,
  tool,
} from '../../../support/agents/scripted-mcp.ts'

const never = new AbortController().signal
const definition = { name: 'add', input_schema: { type: 'object' } }
const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } }
const form = { method: 'elicitation/create', params: { message: 'Who?', requestedSchema } }
const asking = (more: object) => ({ resultType: 'input_required', ...more })
const done = { resultType: 'complete', content: [{ type: 'text', text: 'done' }] }
const error = (code: number, data: unknown) =>
  byHand((response, { id }) =>
    json(response, { jsonrpc: '2.0', id, error: { code, message: 'x', data } }),
  )

const modern = (more: Script) => ({ 'server/discover': discovered, ...more })
const older = (more: Script) => ({ initialize: initialized, ...more })

async function call(script: Script, reply?: Reply) {
  const server = await startScripted(script)
  const outcome = await openAt(server).call(definition, {}, never, reply)
  const sent = server.sent.filter(({ method }) => method === 'tools/call')
  return { outcome, sent: sent.map(({ params }) => params ?? {}), server }
}

describe('a server of 2026-07-28', () => {
  it('learns that a person can be asked, and one of an older revision does not', async () => {
    const { sent } = await call(modern({ 'tools/call': done }))
    expect(JSON.stringify(sent)).toContain('"elicitation":{"form":{},"url":{}}')
    const { server } = await call(older({ 'tools/call': { content: [] } }))
    const first = server.sent.find(({ method }) => method === 'initialize')
    expect(first?.params).toMatchObject({ capabilities: {}, clientInfo: { name: 'colloquy' } })
  })

  it('asks, and the call says what it waits for', async () => {
    const result = asking({ inputRequests: { who: form }, requestState: 's 1', _meta: null })
    const { outcome } = await call(modern({ 'tools/call': result }))
    expect(outcome).toMatchObject({
      status: 'error',
      error_code: 'tool_needs_input',
      elicitation: {
        ...{ state: 's 1', takesAnswers: true },
        questions: [{ key: 'who', mode: 'form', message: 'Who?' }],
      },
    })
  })

  it('gets the answers and its state, with the same call', async () => {
    const answers = { who: { action: 'accept', content: { name: 'Ann' } } } as const
    const state = 'ü "1"'
    const { outcome, sent } = await call(modern({ 'tools/call': done }), {
      ...{ answers, state, takesAnswers: true },
    })
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'done' } })
    expect(sent).toMatchObject([{ name: 'add', inputResponses: answers, requestState: state }])
  })

  it('that sent no state gets none', async () => {
    const answers = { who: { action: 'decline' } } as const
    const script = modern({ 'tools/call': done })
    const { sent } = await call(script, { answers, state: null, takesAnswers: true })
    expect(sent[0]).toMatchObject({ inputResponses: answers })
    expect(sent[0]).not.toHaveProperty('requestState')
  })

  it('that wants its state alone is called again, a few times', async () => {
    let calls = 0
    const soon = each(
      () => (calls += 1) && (calls < 3 ? asking({ requestState: `s${calls}` }) : done),
    )
    const { outcome, sent } = await call(modern({ 'tools/call': soon }))
    expect(outcome.status).toBe('success')
    expect(sent.map((params) => params['requestState'])).toEqual([undefined, 's1', 's2'])
    const { outcome: endless, sent: all } = await call(
      modern({ 'tools/call': asking({ requestState: 's' }) }),
    )
    expect(endless).toMatchObject({ status: 'error', error_code: 'tool_input_invalid' })
    expect(all).toHaveLength(4)
  })

  it.each([
    ['sampling', { inputRequests: { a: { method: 'sampling/createMessage', params: {} } } }],
    ['nothing', {}],
    [
      'a secret',
      {
        inputRequests: {
          a: {
            ...form,
            params: { requestedSchema: { properties: { password: { type: 'string' } } } },
          },
        },
      },
    ],
  ])('that asks for %s is told no', async (_, more) => {
    const { outcome } = await call(modern({ 'tools/call': asking(more) }))
    expect(outcome).toMatchObject({ status: 'error', error_code: 'tool_input_invalid' })
    expect(outcome.elicitation).toBeUndefined()
  })
})

describe('a server of 2025-11-25', () => {
  it('names a page that a person visits before the call is made again', async () => {
    const page = { mode: 'url', elicitationId: 'e', url: 'https://a.example/go', message: 'Go' }
    const script = older({ 'tools/call': error(-32_042, { elicitations: [page] }) })
    const { outcome } = await call(script)
    expect(outcome.elicitation).toMatchObject({
      takesAnswers: false,
      questions: [{ key: 'e', url: 'https://a.example/go', host: 'a.example' }],
    })
    const again = {
      answers: { e: { action: 'accept' } },
      state: null,
      takesAnswers: false,
    } as const
    const { sent } = await call(older({ 'tools/call': { content: [] } }), again)
    expect(Object.keys(sent[0] ?? {}).sort()).toEqual(['_meta', 'arguments', 'name'])
  })

  it('cannot ask with a result that its revision does not have', async () => {
    const result = asking({ inputRequests: { who: form } })
    const { outcome } = await call(older({ 'tools/call': result }))
    expect(outcome).toMatchObject({ status: 'error', error_code: 'tool_input_invalid' })
  })

  it('that asks in the middle of a call all the same gets a refusal, and its answer counts', async () => {
    const stream = byHand((response, { id }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const request = { jsonrpc: '2.0', id: 7, ...form }
      const result = {
        jsonrpc: '2.0',
        id,
        result: { content: [{ type: 'text', text: 'left out' }] },
      }
      for (const each of [request, result]) response.write(`data: ${JSON.stringify(each)}\n\n`)
      response.end()
    })
    const { outcome, server } = await call(older({ 'tools/call': stream }))
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'left out' } })
    await expect
      .poll(() => server.sent.filter(({ id }) => id === 7), { timeout: 20_000 })
      .toMatchObject([{ error: { code: -32_601 } }])
  })
})

it('a listing does not ask', async () => {
  const server = await startScripted(
    modern({ 'tools/list': asking({ inputRequests: { who: form }, tools: [tool('a')] }) }),
  )
  expect((await openAt(server).list(never)).tools).toMatchObject([{ name: 'a' }])
})
