import { createAuthorizedFetch } from '../oauth/authorized-fetch.ts'
import { createCredentials } from '../oauth/credentials.ts'
import type { CredentialDependencies } from '../oauth/dependencies.ts'
import { createOutboundFetch } from '../outbound/outbound.ts'
import { systemClock } from '../time.ts'
import { Contact } from './mcp/contact.ts'
import { openMcpServer } from './mcp/open-mcp-server.ts'
import { createServerMemory } from './mcp/server-memory.ts'
import { toolRequestLimits } from './tool-limits.ts'
import type { OpenToolServer } from './tool-server.ts'

export interface ToolServersOptions extends Pick<
  CredentialDependencies,
  'database' | 'keyset' | 'log'
> {
  /** Development only: servers on this machine, by http too. */
  readonly allowLoopback: boolean
}

/**
 * Opens MCP servers for their users: each with the token of the person's own connection, which goes
 * to no other server, and never with a token of Colloquy.
 */
export function createToolServers({
  database,
  keyset,
  log,
  allowLoopback,
}: ToolServersOptions): OpenToolServer {
  const clock = systemClock
  const guard = { allowLoopback }
  const credentials = createCredentials({
    database,
    keyset,
    log,
    // Authorization servers: documents and token answers.
    outbound: (allowedHosts) => createOutboundFetch({ ...guard, allowedHosts }),
    clock,
    random: Math.random,
  })
  const outbound = (allowedHosts: readonly string[] | null) =>
    createOutboundFetch({ ...guard, allowedHosts, limits: toolRequestLimits })
  const memory = createServerMemory(clock)
  return (key) => {
    const contact = new Contact(clock)
    const fetch = createAuthorizedFetch(
      { database, outbound: (allowedHosts) => contact.watch(outbound(allowedHosts)) },
      { ...credentials, get: (...of) => contact.aside(() => credentials.get(...of)) },
      key,
    )
    return openMcpServer(key, { fetch, clock, contact, memory })
  }
}
