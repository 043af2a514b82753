import { createServer, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import type { Timeouts } from '../../../supabase/functions/_shared/tools/mcp/connect.ts'
import { openMcpServer } from '../../../supabase/functions/_shared/tools/mcp/open-mcp-server.ts'
import {
  toolRequestLimits,
  toolTimeouts,
} from '../../../supabase/functions/_shared/tools/tool-limits.ts'
import type { ToolDefinition } from '../../../supabase/functions/_shared/tools/tool-server.ts'
import {
  startToolServer,
  type TestTool,
  textAnswer,
  type ToolServer,
} from '../../support/agents/tool-server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(tools: Record<string, TestTool> = { add: {} }): Promise<ToolServer> {
  const server = await startToolServer(tools)
  closing.push(() => server.close())
  return server
}

interface Opened {
  allowLoopback?: boolean
  allowedHosts?: string[]
  type?: 'http' | 'sse'
  timeouts?: Partial<Timeouts>
}

function open(endpoint: string, options: Opened = {}) {
  const { allowLoopback = true, allowedHosts = null, type = 'http', timeouts = {} } = options
  const key = { organizationId: 1, userId: 'u', configurationId: 2, type, endpoint }
  const guard = { allowLoopback, allowedHosts, limits: toolRequestLimits }
  const times = { ...toolTimeouts, ...timeouts }
  const server = openMcpServer(key, { fetch: createOutboundFetch(guard), timeouts: times })
  closing.unshift(() => server.close())
  return server
}

const never = new AbortController().signal
const definition = (name: string, more: Partial<ToolDefinition> = {}): ToolDefinition => ({
  name,
  input_schema: { type: 'object' },
  ...more,
})
const callAdd = (server: ToolServer, options?: Opened) =>
  open(server.endpoint, options).call(definition('add'), { a: 1 }, never)

/** Answers `tools/call` by hand. */
function onCall(server: ToolServer, answer: (response: ServerResponse) => void): void {
  server.intercept = ({ method }, _request, response) => {
    if (method !== 'tools/call') return false
    answer(response)
    return true
  }
}

const sse = { 'content-type': 'text/event-stream' }

describe('an MCP server', () => {
  it('lists its tools, without the annotations that nobody may rely on', async () => {
    const server = await start({
      add: { description: 'Adds.', annotations: { readOnlyHint: true } },
    })
    const { tools, refused, ttl } = await open(server.endpoint).list(never)
    const input_schema = expect.objectContaining({ type: 'object' }) as object
    expect(tools).toEqual([{ name: 'add', description: 'Adds.', input_schema }])
    expect(refused).toEqual([])
    expect(ttl).toBeGreaterThanOrEqual(0)
  })

  it('is called once, with exactly the arguments', async () => {
    const server = await start({
      add: { run: ({ a, b }) => textAnswer(`${Number(a) + Number(b)}`) },
    })
    const outcome = await open(server.endpoint).call(definition('add'), { a: 1, b: 2 }, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: '3' } })
    expect(server.calls()).toEqual([{ a: 1, b: 2 }])
  })

  it('may be one of the older revision', async () => {
    const server = await start()
    server.intercept = ({ method }, _request, response) => {
      if (method !== 'server/discover') return false
      response.writeHead(400).end('Bad Request: no such method')
      return true
    }
    const opened = open(server.endpoint)
    expect((await opened.list(never)).tools).toMatchObject([{ name: 'add' }])
    expect(await opened.call(definition('add'), {}, never)).toMatchObject({ status: 'success' })
    expect(server.asked.map(({ method }) => method)).toContain('initialize')
  })

  it('may be one that speaks over server-sent events alone', async () => {
    const endpoint = await startSseServer()
    const opened = open(endpoint, { type: 'sse' })
    expect((await opened.list(never)).tools).toMatchObject([{ name: 'add' }])
    const outcome = await opened.call(definition('add'), {}, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'over sse' } })
  })

  it('may be one whose stream ends between a listing and a call, as requests here do in time', async () => {
    const streams: ServerResponse[] = []
    const endpoint = await startSseServer(streams)
    const opened = open(endpoint, { type: 'sse', timeouts: { call: 1_000 } })
    await opened.list(never)
    for (const stream of streams) stream.destroy()
    const outcome = await opened.call(definition('add'), {}, never)
    expect(outcome).toMatchObject({ status: 'success', result: { text: 'over sse' } })
    await expect.poll(() => streams.every(({ closed }) => closed)).toBe(true)
  })

  it('keeps a listing for as long as the server says, and no longer than an hour', async () => {
    const server = await start()
    const listWith = async (ttlMs: number) => {
      server.intercept = ({ method }, _request, response) => {
        if (method !== 'tools/list') return false
        const result = { tools: [], resultType: 'complete', ttlMs, cacheScope: 'private' }
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id: idOf(server), result }))
        return true
      }
      return (await open(server.endpoint).list(never)).ttl
    }
    expect(await listWith(5_000)).toBe(5)
    expect(await listWith(0)).toBe(0)
    expect(await listWith(86_400_000)).toBe(3_600)
  })

  it('that lists too many tools, or too large ones, has the others left out', async () => {
    const tools = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`t${n}`, {}]))
    const server = await start({ ...tools })
    const listed = await open(server.endpoint).list(never)
    expect(listed.tools).toHaveLength(128)
    expect(listed.refused).toHaveLength(128)
    expect(listed.refused.slice(0, 2).map(({ name }) => name)).toEqual(['t128', 't129'])
  })
})

describe('a call that did not reach the tool is an error', () => {
  it('when nothing answers at the endpoint', async () => {
    const server = await start()
    await server.close()
    closing.pop()
    const outcome = await callAdd(server)
    expect(outcome).toMatchObject({ status: 'error', error_code: 'server_unreachable' })
    await expect(open(server.endpoint).list(never)).rejects.toMatchObject({
      code: 'server_unreachable',
    })
  })

  it.each(['http', 'sse'] as const)(
    'when it takes the connection and is silent (%s)',
    async (type) => {
      const silent = await listen(() => undefined)
      const options = { type, timeouts: { connect: 200 } }
      await expect(open(silent, options).list(never)).rejects.toMatchObject({
        code: 'server_unreachable',
      })
      const outcome = await open(silent, options).call(definition('add'), {}, never)
      expect(outcome).toMatchObject({ status: 'error', error_code: 'server_unreachable' })
    },
  )

  it('when something else answers there', async () => {
    const other = await listen((response) => response.writeHead(200).end('<html>'))
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
    const outside = await listen((response) =>
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

/** The id of the last JSON-RPC request that a server was sent. */
function idOf({ asked }: ToolServer): unknown {
  return asked.at(-1)?.id
}

async function listen(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_request, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return `http://127.0.0.1:${address.port}/mcp`
}

/** The transport of 2024-11-05: one stream for all answers, and a POST for each message. */
async function startSseServer(streams: ServerResponse[] = []): Promise<string> {
  const results: Record<string, object> = {
    initialize: {
      protocolVersion: '2024-11-05',
      capabilities: { tools: {} },
      serverInfo: { name: 'old', version: '1' },
    },
    'tools/list': { tools: [{ name: 'add', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: 'over sse' }] },
  }
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      streams.push(response)
      response.writeHead(200, sse).write('event: endpoint\ndata: /messages\n\n')
      return
    }
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      response.writeHead(202).end()
      const { id, method } = JSON.parse(body) as { id?: number; method: string }
      if (id === undefined) return
      const result = results[method]
      const answer = result ? { result } : { error: { code: -32601, message: 'no such method' } }
      const message = JSON.stringify({ jsonrpc: '2.0', id, ...answer })
      streams.at(-1)?.write(`event: message\ndata: ${message}\n\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return `http://127.0.0.1:${address.port}/sse`
}
