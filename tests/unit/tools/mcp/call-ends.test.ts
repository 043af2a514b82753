import type { ServerResponse } from 'node:http'
import { describe, expect, it, vi } from 'vitest'
import { startToolServer, textAnswer } from '../../../support/agents/tool-server.ts'
import { definition, never, onCall, sse, useServers } from './servers.ts'

const { start, open, callAdd, listen } = useServers()

describe('a call that did not reach the tool is an error', () => {
  it('when nothing answers at the endpoint', async () => {
    const server = await startToolServer({ add: {} })
    await server.close()
    const outcome = await callAdd(server)
    expect(outcome).toMatchObject({ status: 'error', error_code: 'server_unreachable' })
    await expect(open(server.endpoint).list(never)).rejects.toMatchObject({
      code: 'server_unreachable',
    })
  })

  it.each(['http', 'sse'] as const)(
    'when it takes the connection and is silent (%s)',
    async (type) => {
      const silent = `${await listen(() => undefined)}mcp`
      const options = { type, timeouts: { connect: 200 } }
      await expect(open(silent, options).list(never)).rejects.toMatchObject({
        code: 'server_unreachable',
      })
      const outcome = await open(silent, options).call(definition('add'), {}, never)
      expect(outcome).toMatchObject({ status: 'error', error_code: 'server_unreachable' })
    },
  )

  it('when something else answers there', async () => {
    const other = await listen((_request, response) => response.writeHead(200).end('<html>'))
    await expect(open(other).list(never)).rejects.toMatchObject({ code: 'not_an_mcp_server' })
  })

  it.each([
    ['https://10.0.0.1/mcp', {}],
    ['https://169.254.169.254/mcp', {}],
    ['https://[::ffff:10.0.0.1]/mcp', {}],
    ['http://example.com/mcp', {}],
    ['http://127.0.0.1:1/mcp', { allowLoopback: false }],
    ['https://localhost/mcp', { allowLoopback: false }],
    ['https://example.com/mcp', { allowedHosts: ['example.org'] }],
  ])('when the address may not be reached: %s', async (endpoint, options) => {
    await expect(open(endpoint, options).list(never)).rejects.toMatchObject({
      code: 'address_not_allowed',
    })
    const outcome = await open(endpoint, options).call(definition('add'), {}, never)
    expect(outcome).toMatchObject({ status: 'error', error_code: 'address_not_allowed' })
  })

  it('when the server is out of the organization’s list by the time it redirects', async () => {
    const inside = await start()
    const outside = await listen((_request, response) =>
      response.writeHead(307, { location: inside.endpoint }).end(),
    )
    const outcome = await open(outside).call(definition('add'), {}, never)
    expect(outcome.status).toBe('error')
    expect(inside.asked).toEqual([])
  })

  it('when the execution was cancelled before', async () => {
    const server = await start()
    const outcome = await open(server.endpoint).call(definition('add'), {}, AbortSignal.abort())
    expect(outcome).toMatchObject({ status: 'error', error_code: 'execution_cancelled' })
    expect(server.calls()).toEqual([])
  })

  it('when the server refuses it', async () => {
    const server = await start()
    onCall(server, (response) => response.writeHead(403).end('no'))
    expect(await callAdd(server)).toMatchObject({
      status: 'error',
      error_code: 'tool_call_refused',
    })
  })

  it('when the tool says so', async () => {
    const server = await start({
      add: { run: () => ({ ...textAnswer('no such row'), isError: true }) },
    })
    expect(await callAdd(server)).toMatchObject({
      status: 'error',
      error_code: 'tool_error',
      result: { text: 'no such row' },
    })
  })

  it('when the server knows no such tool', async () => {
    const server = await start()
    const outcome = await open(server.endpoint).call(definition('gone'), {}, never)
    expect(outcome).toMatchObject({ status: 'error', error_code: 'tool_error' })
  })
})

describe('a call of which nobody knows how it ended is unknown, and made once', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['the connection is reset', (response) => response.socket?.resetAndDestroy()],
    ['the server fails with 500', (response) => response.writeHead(500).end('oops')],
    ['the gateway gives up', (response) => response.writeHead(504).end()],
    [
      'the stream ends without an answer',
      (response) => response.writeHead(200, sse).end(': nothing\n\n'),
    ],
    [
      'the stream is cut',
      (response) => {
        response.writeHead(200, sse).write('data: {"jsonrpc"')
        setImmediate(() => response.socket?.destroy())
      },
    ],
    [
      'the answer is cut',
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
        response.write('{"jsonrpc":"2.0",')
        setImmediate(() => response.socket?.destroy())
      },
    ],
  ])('when %s', async (_what, answer) => {
    const server = await start()
    onCall(server, answer)
    expect(await callAdd(server)).toMatchObject({
      status: 'unknown',
      error_code: 'tool_answer_lost',
    })
    expect(server.calls()).toHaveLength(1)
  })

  it('when no answer comes in time', async () => {
    const server = await start({ add: { run: () => new Promise(() => undefined) } })
    const outcome = await callAdd(server, { timeouts: { call: 200 } })
    expect(outcome).toMatchObject({ status: 'unknown', error_code: 'tool_timeout' })
    expect(server.calls()).toHaveLength(1)
  })

  it('when it is cancelled on the way, which the server is told', async () => {
    const told = vi.fn<() => void>()
    const cancel = new AbortController()
    const server = await start({
      add: {
        run: (_args, { signal }) => {
          signal.addEventListener('abort', () => told())
          cancel.abort()
          return new Promise(() => undefined)
        },
      },
    })
    const outcome = await open(server.endpoint).call(definition('add'), {}, cancel.signal)
    expect(outcome).toMatchObject({ status: 'unknown', error_code: 'execution_cancelled' })
    await expect.poll(() => told).toHaveBeenCalled()
  })
})

describe('an answer', () => {
  it('that is huge is cut, and one beyond that is not read', async () => {
    const server = await start({ add: { run: () => textAnswer('x'.repeat(1_000_000)) } })
    const cut = await callAdd(server)
    expect(cut).toMatchObject({ status: 'success', result: { truncated: true } })
    expect(cut.result.text.length).toBeLessThan(50_000)
    onCall(server, (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('x'.repeat(9 * 1024 * 1024))
    })
    const refused = await callAdd(server)
    expect(refused).toMatchObject({ status: 'error', error_code: 'tool_result_too_large' })
  })

  it('with structured content is checked against the schema that was accepted', async () => {
    const server = await start({
      add: { run: () => ({ ...textAnswer('{}'), structuredContent: { sum: 'three' } }) },
    })
    const schema = (type: string) => ({
      output_schema: { type: 'object', properties: { sum: { type } } },
    })
    const call = (type: string) =>
      open(server.endpoint).call(definition('add', schema(type)), {}, never)
    expect(await call('string')).toMatchObject({
      status: 'success',
      result: { structured_content: { sum: 'three' } },
    })
    const refused = await call('number')
    expect(refused).toMatchObject({ status: 'error', error_code: 'tool_result_invalid' })
    expect(refused.result).not.toHaveProperty('structured_content')
  })
})
