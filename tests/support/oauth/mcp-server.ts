import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { listen, readBody } from './http-server.ts'

export interface ProtectedMcpServer {
  /** Address of the server, and its resource identifier. */
  readonly endpoint: string
  readonly origin: string
  /** Tokens that requests carried, in order; null for a request without one. */
  readonly tokens: (string | null)[]
  /** Scope without which a call is refused with 403; changes take effect at once. */
  requiredScope: string
  /** Changes the protected resource metadata; null: there is none. */
  metadata: ((metadata: Record<string, unknown>) => Record<string, unknown>) | null
}

export interface AcceptedToken {
  readonly scope: string
  readonly audience: string
}

/** An MCP server of both revisions with one tool, `add`, behind a check of bearer tokens. */
export async function startMcpServer(
  issuer: string,
  accept: (token: string) => Promise<AcceptedToken | null>,
): Promise<ProtectedMcpServer> {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'calculator', version: '1.0.0' })
    server.registerTool(
      'add',
      { description: 'Adds.', inputSchema: z.object({ a: z.number(), b: z.number() }) },
      ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
    )
    return server
  })
  const { origin } = await listen((request, response) => {
    const answer = async () => {
      const url = new URL(request.url ?? '/', origin)
      const body = request.method === 'POST' ? await readBody(request) : undefined
      const result = await respond(
        new Request(url, {
          method: request.method ?? 'GET',
          headers: request.headers as Record<string, string>,
          ...(body !== undefined && { body }),
        }),
      )
      response.writeHead(result.status, Object.fromEntries(result.headers))
      response.end(Buffer.from(await result.arrayBuffer()))
    }
    answer().catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  const server: ProtectedMcpServer = {
    endpoint: `${origin}/mcp`,
    origin,
    tokens: [],
    requiredScope: '',
    metadata: (document) => document,
  }
  const metadataUrl = `${origin}/.well-known/oauth-protected-resource/mcp`

  async function respond(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/.well-known/oauth-protected-resource/mcp' && server.metadata) {
      const document = {
        resource: server.endpoint,
        authorization_servers: [issuer],
        scopes_supported: ['mcp:tools'],
      }
      return Response.json(server.metadata(document))
    }
    if (pathname !== '/mcp') return new Response('not found', { status: 404 })
    const token = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? null
    server.tokens.push(token)
    const accepted = token === null ? null : await accept(token)
    if (accepted?.audience !== server.endpoint)
      return challenge(401, token === null ? '' : 'invalid_token')
    const missing =
      server.requiredScope !== '' && !accepted.scope.split(' ').includes(server.requiredScope)
    if (missing) return challenge(403, 'insufficient_scope', server.requiredScope)
    return handler.fetch(request)
  }

  function challenge(status: number, error: string, scope?: string): Response {
    const parts = [`resource_metadata="${metadataUrl}"`]
    if (error !== '') parts.push(`error="${error}"`)
    if (scope !== undefined) parts.push(`scope="${scope}"`)
    const headers = { 'www-authenticate': `Bearer ${parts.join(', ')}` }
    return new Response(null, { status, headers: server.metadata ? headers : {} })
  }
  return server
}
