import { describe, expect, it } from 'vitest'
import { openAt } from '../../../support/agents/open-scripted.ts'
import { byHand, initialized, startScripted, status } from '../../../support/agents/scripted-mcp.ts'

const never = new AbortController().signal
const done = { content: [{ type: 'text', text: 'done' }] }
const definition = { name: 'a', input_schema: {} }

describe('a call of which the server reports progress', () => {
  const progressing = (times: number, pause: number) =>
    byHand((response, { id, params }) => {
      const token = (params?.['_meta'] as { progressToken?: unknown } | undefined)?.progressToken
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const event = (message: object) => response.write(`data: ${JSON.stringify(message)}\n\n`)
      let n = 0
      const timer = setInterval(() => {
        n += 1
        const progress = { progressToken: token, progress: n, total: null, message: null }
        event({ jsonrpc: '2.0', method: 'notifications/progress', params: progress })
        if (n < times) return
        clearInterval(timer)
        event({ jsonrpc: '2.0', id, result: done })
        response.end()
      }, pause)
      response.on('close', () => clearInterval(timer))
    })
  const called = async (times: number, longestCall: number) => {
    const server = await startScripted({
      initialize: initialized,
      'tools/call': progressing(times, 40),
    })
    const timeouts = { call: 1_000, longestCall }
    return openAt(server, { timeouts }).call(definition, {}, never)
  }

  it('may take longer than one that is silent', async () => {
    expect(await called(40, 60_000)).toMatchObject({ status: 'success' })
  })

  it('does not take longer than the longest', async () => {
    expect(await called(10_000, 1_500)).toMatchObject({
      status: 'unknown',
      error_code: 'tool_timeout',
    })
  })
})

describe('a refusal of a call', () => {
  it('reaches the model with its text and the time to wait', async () => {
    const refusal = status(429, 'quota of project x is used up', { 'retry-after': '30' })
    const server = await startScripted({ initialize: initialized, 'tools/call': refusal })
    const { error_code, result } = await openAt(server).call(definition, {}, never)
    expect(error_code).toBe('tool_call_refused')
    expect(result.text).toBe(
      'The server answered this call with status 429. It may be asked again in 30 seconds.\nquota of project x is used up',
    )
  })

  it('with a 5xx leaves the outcome unknown, and its text and time to wait reach the model', async () => {
    const refusal = status(503, 'the index is being built', { 'retry-after': '9' })
    const server = await startScripted({ initialize: initialized, 'tools/call': refusal })
    const { status: outcome, result } = await openAt(server).call(definition, {}, never)
    expect(outcome).toBe('unknown')
    expect(result.text).toMatch(
      /unknown.*\n.*503\. It may be asked again in 9 seconds\.\nthe index/,
    )
  })

  it('of the connection reaches the model in the same way', async () => {
    const server = await startScripted({ initialize: status(429, 'come back later') })
    const { error_code, result } = await openAt(server).call(definition, {}, never)
    expect(error_code).toBe('server_busy')
    expect(result.text).toMatch(/not made.*\n.*429\.\ncome back later$/)
  })

  it('because a person has to open a page that it does not name says so', async () => {
    const refusal = byHand((response, { id }) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const error = { code: -32_042, message: 'sign in', data: { elicitations: [] } }
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error }))
    })
    const server = await startScripted({ initialize: initialized, 'tools/call': refusal })
    expect(await openAt(server).call(definition, {}, never)).toMatchObject({
      status: 'error',
      error_code: 'tool_input_invalid',
    })
  })

  it('in the words of the protocol is an answer of the tool', async () => {
    const refusal = byHand((response, { id }) => {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: 'no b' } }))
    })
    const server = await startScripted({ initialize: initialized, 'tools/call': refusal })
    expect(await openAt(server).call(definition, {}, never)).toMatchObject({
      error_code: 'tool_error',
      result: { text: 'no b' },
    })
  })
})
