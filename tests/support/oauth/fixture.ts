import { startIssuer, type Issuer, type IssuerOptions } from './issuer.ts'
import { type ProtectedMcpServer, startMcpServer } from './mcp-server.ts'

export interface Fixture {
  readonly issuer: Issuer
  readonly server: ProtectedMcpServer
}

/** An authorization server and an MCP server that accepts its tokens. */
export async function startServers(
  options: IssuerOptions & { readonly hasSessions?: boolean } = {},
): Promise<Fixture> {
  const issuer = await startIssuer(options)
  const server = await startMcpServer(
    issuer.url,
    async (token) => {
      const found = await issuer.provider.AccessToken.find(token)
      if (!found) return null
      return { scope: found.scope ?? '', audience: String(found.aud) }
    },
    options.hasSessions,
  )
  return { issuer, server }
}
