import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server'

type Args = Readonly<Record<string, unknown>>
type Answer = Record<string, unknown>

/** A tool of a test: what it says of itself, and what it does. */
export interface TestTool {
  description?: string
  inputSchema?: Record<string, unknown>
  outputSchema?: Record<string, unknown>
  annotations?: Record<string, unknown>
  run?: (args: Args, request: { headers: Headers; signal: AbortSignal }) => Promise<Answer> | Answer
}

/** What the server was asked, in order. */
export interface Asked {
  method: string
  /** Of the JSON-RPC request. */
  id?: unknown
  tool?: string
  args?: Args
  /** All parameters of the request. */
  params?: Readonly<Record<string, unknown>>
  headers: Headers
}

/** A real MCP server of both revisions over streamable HTTP, whose tools may change at any time. */
export interface ToolServer {
  readonly endpoint: string
  readonly asked: Asked[]
  readonly tools: Map<string, TestTool>
  /** What it says about the use of its tools; it may change at any time. */
  instructions: string | undefined
  /** Answers a request itself; null leaves it to the protocol. */
  intercept: ((asked: Asked, request: IncomingMessage, response: ServerResponse) => boolean) | null
  /** Calls that arrived, whatever became of them. */
  calls(): Args[]
  close(): Promise<void>
}

export const textAnswer = (text: string): Answer => ({ content: [{ type: 'text', text }] })

export async function startToolServer(tools: Record<string, TestTool>): Promise<ToolServer> {
  const current = new Map(Object.entries(tools))
  const asked: Asked[] = []
  const make = (request: Request) => {
    const { instructions } = server
    const mcp = new McpServer(
      { name: 'tools', version: '1.0.0' },
      instructions === undefined ? {} : { instructions },
    )
    for (const [name, tool] of current) {
      const {
        run = () => textAnswer('done'),
        inputSchema = { type: 'object' },
        outputSchema,
      } = tool
      mcp.registerTool(
        name,
        {
          description: tool.description ?? `Does ${name}`,
          inputSchema: fromJsonSchema(inputSchema as never),
          ...(outputSchema && { outputSchema: fromJsonSchema(outputSchema as never) }),
          ...(tool.annotations && { annotations: tool.annotations }),
        },
        async (args: unknown) =>
          (await run(args as Args, { headers: request.headers, signal: request.signal })) as never,
      )
    }
    return mcp
  }
  const server: ToolServer = {
    endpoint: '',
    asked,
    tools: current,
    instructions: undefined,
    intercept: null,
    calls: () => asked.filter(({ method }) => method === 'tools/call').map(({ args = {} }) => args),
    close: () => Promise.resolve(),
  }
  const http = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error))
  })

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const message = (body === '' ? {} : JSON.parse(body)) as {
      method?: string
      id?: unknown
      params?: { name?: string; arguments?: Args; [name: string]: unknown }
    }
    const headers = new Headers(incoming.headers as Record<string, string>)
    const { name, arguments: args } = message.params ?? {}
    const entry: Asked = {
      method: message.method ?? incoming.method ?? '',
      id: message.id,
      ...(name !== undefined && { tool: name }),
      ...(args !== undefined && { args }),
      ...(message.params && { params: message.params }),
      headers,
    }
    asked.push(entry)
    if (server.intercept?.(entry, incoming, outgoing) === true) return
    const gone = new AbortController()
    outgoing.on('close', () => gone.abort())
    const request = new Request(new URL(incoming.url ?? '/', server.endpoint), {
      method: incoming.method ?? 'GET',
      headers,
      signal: gone.signal,
      ...(body !== '' && { body }),
    })
    // A handler per request: its server has the tools of this moment.
    const response = await createMcpHandler(() => make(request)).fetch(request)
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    for await (const chunk of response.body ?? []) outgoing.write(chunk)
    outgoing.end()
  }

  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return Object.assign(server, {
    endpoint: `http://127.0.0.1:${address.port}/mcp`,
    close: async () => {
      http.closeAllConnections()
      await new Promise<void>((resolve) => http.close(() => resolve()))
    },
  })
}
