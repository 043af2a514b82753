import { giveUp } from '../outbound/give-up.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { readChallenge } from './challenge.ts'
import { failure } from './failure.ts'

/** The answer of an MCP server to a request without a token. */
export interface Probe {
  /** Whether it seems to speak the protocol. */
  readonly isMcp: boolean
  /** From its challenge (RFC 6750, section 3; RFC 9728, section 5.1). */
  readonly resourceMetadataUrl: URL | undefined
  readonly scope: string | undefined
}

const clientInfo = { name: 'colloquy', version: '1' }

/** The first request of each revision: stateless, then with a session. */
const requests = [
  {
    version: '2026-07-28',
    headers: { 'mcp-method': 'server/discover' },
    body: {
      jsonrpc: '2.0',
      id: 1,
      method: 'server/discover',
      params: {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': clientInfo,
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    },
  },
  {
    version: '2025-11-25',
    headers: {},
    body: {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo },
    },
  },
] as const

/**
 * Asks an MCP server for its challenge, in both revisions and, for the older transport, by opening
 * its stream.
 * @throws AppError `server_unreachable` or `address_not_allowed`
 */
export async function probe(
  fetch: OutboundFetch,
  endpoint: string,
  type: 'http' | 'sse',
): Promise<Probe> {
  let isMcp = false
  for (const send of type === 'sse' ? [openStream] : requests.map(post)) {
    let response: Response
    try {
      response = await send(fetch, endpoint)
    } catch (error) {
      throw failure(error, { unreachable: 'server_unreachable', otherwise: 'not_an_mcp_server' })
    }
    if (response.status === 401) {
      await giveUp(response.body)
      const { resourceMetadataUrl, scope } = readChallenge(response.headers)
      return { isMcp: true, resourceMetadataUrl, scope }
    }
    isMcp = (await speaksMcp(response)) || isMcp
    if (isMcp && response.ok) break
  }
  return { isMcp, resourceMetadataUrl: undefined, scope: undefined }
}

function post({ version, headers, body }: (typeof requests)[number]) {
  return (fetch: OutboundFetch, endpoint: string): Promise<Response> =>
    fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': version,
        ...headers,
      },
      body: JSON.stringify(body),
    })
}

function openStream(fetch: OutboundFetch, endpoint: string): Promise<Response> {
  return fetch(endpoint, { headers: { accept: 'text/event-stream' } })
}

async function speaksMcp(response: Response): Promise<boolean> {
  const type = response.headers.get('content-type') ?? ''
  if (type.includes('text/event-stream')) {
    await giveUp(response.body)
    return response.ok
  }
  if (!type.includes('json')) {
    await giveUp(response.body)
    return false
  }
  try {
    const body: unknown = await response.json()
    return typeof body === 'object' && body !== null && 'jsonrpc' in body && body.jsonrpc === '2.0'
  } catch {
    // Not JSON after all, or too much of it: not the protocol.
    return false
  }
}
