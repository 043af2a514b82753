import { randomUUID } from 'node:crypto'
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
  /** Names of the called tools, in order. */
  readonly calls: string[]
  /** Forgets the sessions, as a restart does. */
  restart(): void
  /** The key that each request needs in `x-gateway-key`; null: none. */
  requiredKey: string | null
  /** Changes the protected resource metadata; null: there is none. */
  metadata: ((metadata: Record<string, unknown>) => Record<string, unknown>) | null
}

export interface AcceptedToken {
  readonly scope: string
  readonly audience: string
}

/**
 * An MCP server of both revisions with one tool, `add`, behind a check of bearer tokens; with
 * `hasSessions` one of 2025-11-25 alone, which knows the sessions that it began.
 */
export async function startMcpServer(
  issuer: string,
  accept: (token: string) => Promise<AcceptedToken | null>,
  hasSessions = false,
): Promise<ProtectedMcpServer> {
  const sessions = new Set<string>()
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
    calls: [],
    requiredKey: null,
    restart: () => sessions.clear(),
    metadata: (document) => document,
  }
  const metadataUrl = `${origin}/.well-known/oauth-protected-resource/mcp`

  async function respond(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (
      server.requiredKey !== null &&
      request.headers.get('x-gateway-key') !== server.requiredKey
    ) {
      return new Response('no key', { status: 403 })
    }
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
    const { id, method, params } = await messageOf(request)
    if (hasSessions) {
      const error = { code: -32_601, message: 'no such method' }
      if (method === 'server/discover') return Response.json({ jsonrpc: '2.0', id, error })
      const isKnown = sessions.has(request.headers.get('mcp-session-id') ?? '')
      if (method !== 'initialize' && !isKnown) return new Response('no session', { status: 404 })
    }
    if (method === 'tools/call') server.calls.push(params?.name ?? '')
    const headers = new Headers(request.headers)
    headers.delete('mcp-session-id')
    const answer = await handler.fetch(new Request(request, { headers }))
    if (!hasSessions || method !== 'initialize') return answer
    const session = randomUUID()
    sessions.add(session)
    const begun = new Response(answer.body, answer)
    begun.headers.set('mcp-session-id', session)
    return begun
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

interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: { readonly name?: string }
}

async function messageOf(request: Request): Promise<Message> {
  return request.method === 'POST' ? ((await request.clone().json()) as Message) : {}
}
