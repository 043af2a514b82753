import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import type { ConnectDependencies } from '../../../supabase/functions/_shared/tools/mcp/connect.ts'
import { openMcpServer } from '../../../supabase/functions/_shared/tools/mcp/open-mcp-server.ts'
import {
  toolRequestLimits,
  toolTimeouts,
} from '../../../supabase/functions/_shared/tools/tool-limits.ts'
import type { ToolServer } from '../../../supabase/functions/_shared/tools/tool-server.ts'

export interface OpenOptions extends Partial<Pick<ConnectDependencies, 'memory' | 'clock'>> {
  readonly type?: 'http' | 'sse'
  readonly timeouts?: Partial<ConnectDependencies['timeouts']>
}

/** A server on this machine as the product opens it, behind its guard, without a credential. */
export function openAt({ endpoint }: { endpoint: string }, options: OpenOptions = {}): ToolServer {
  const { type = 'http', timeouts = {}, ...others } = options
  const key = { organizationId: 1, userId: 'u', configurationId: 2, type, endpoint }
  const guard = { allowLoopback: true, allowedHosts: null, limits: toolRequestLimits }
  const fetch = createOutboundFetch(guard)
  return openMcpServer(key, { ...others, fetch, timeouts: { ...toolTimeouts, ...timeouts } })
}
