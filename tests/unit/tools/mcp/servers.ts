import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { afterEach } from 'vitest'
import { createOutboundFetch } from '../../../../supabase/functions/_shared/outbound/outbound.ts'
import type { Timeouts } from '../../../../supabase/functions/_shared/tools/mcp/connect.ts'
import { openMcpServer } from '../../../../supabase/functions/_shared/tools/mcp/open-mcp-server.ts'
import {
  toolRequestLimits,
  toolTimeouts,
} from '../../../../supabase/functions/_shared/tools/tool-limits.ts'
import type { ToolDefinition } from '../../../../supabase/functions/_shared/tools/tool-server.ts'
import {
  startToolServer,
  type TestTool,
  type ToolServer,
} from '../../../support/agents/tool-server.ts'

export const never = new AbortController().signal
export const sse = { 'content-type': 'text/event-stream' }

export const definition = (name: string, more: Partial<ToolDefinition> = {}): ToolDefinition => ({
  name,
  input_schema: { type: 'object' },
  ...more,
})

interface Opened {
  allowLoopback?: boolean
  allowedHosts?: string[]
  type?: 'http' | 'sse'
  timeouts?: Partial<Timeouts>
}

/** Registers the hook that closes what each test of the file starts and opens. */
export function useServers() {
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  /** A server of the MCP library with these tools. */
  const start = async (tools: Record<string, TestTool> = { add: {} }): Promise<ToolServer> => {
    const server = await startToolServer(tools)
    closing.push(() => server.close())
    return server
  }
  /** Our side of a connection to the endpoint. */
  const open = (endpoint: string, options: Opened = {}) => {
    const { allowLoopback = true, allowedHosts = null, type = 'http', timeouts = {} } = options
    const key = { organizationId: 1, userId: 'u', configurationId: 2, type, endpoint }
    const guard = { allowLoopback, allowedHosts, limits: toolRequestLimits }
    const times = { ...toolTimeouts, ...timeouts }
    const server = openMcpServer(key, { fetch: createOutboundFetch(guard), timeouts: times })
    closing.unshift(() => server.close())
    return server
  }
  const callAdd = (server: ToolServer, options?: Opened) =>
    open(server.endpoint, options).call(definition('add'), { a: 1 }, never)
  /** A server of raw HTTP. @returns its address, with a slash */
  const listen = async (answer: RequestListener): Promise<string> => {
    const server = createServer(answer)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push(async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    })
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no address')
    return `http://127.0.0.1:${address.port}/`
  }
  /** A server of the transport of 2024-11-05. @returns its endpoint */
  const startSse = async (streams?: ServerResponse[]): Promise<string> =>
    `${await listen(sseServer(streams))}sse`
  return { start, open, callAdd, listen, startSse }
}

/** Answers `tools/call` by hand. */
export function onCall(server: ToolServer, answer: (response: ServerResponse) => void): void {
  server.intercept = ({ method }, _request, response) => {
    if (method !== 'tools/call') return false
    answer(response)
    return true
  }
}

/** One stream for all answers, and a POST for each message. */
function sseServer(streams: ServerResponse[] = []): RequestListener {
  const results: Record<string, object> = {
    initialize: {
      protocolVersion: '2024-11-05',
      capabilities: { tools: {} },
      serverInfo: { name: 'old', version: '1' },
    },
    'tools/list': { tools: [{ name: 'add', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: 'over sse' }] },
  }
  return (request, response) => {
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
  }
}
