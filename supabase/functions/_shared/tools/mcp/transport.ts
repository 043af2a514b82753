import {
  SSEClientTransport,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client'
import type { OutboundFetch } from '../../outbound/outbound.ts'
import type { ToolServerKey } from '../tool-server.ts'
import { answerLost } from './repair-message.ts'

/** Reads an answer's stream on where it broke off, which repeats no call; not for ever. */
const reconnectionOptions = {
  initialReconnectionDelay: 500,
  maxReconnectionDelay: 2_000,
  reconnectionDelayGrowFactor: 2,
  maxRetries: 2,
}

/** A transport to one server, over the guarded fetch alone. */
export function createTransport(
  { type, endpoint }: Pick<ToolServerKey, 'type' | 'endpoint'>,
  fetch: OutboundFetch,
): Transport {
  return type === 'sse'
    ? // Deprecated by the protocol, and all that older servers speak.
      createSseTransport(new URL(endpoint), fetch)
    : new AnsweringTransport(new URL(endpoint), { fetch, reconnectionOptions })
}

/** The library tells why its stream failed in words alone: what the guard threw takes their place. */
function createSseTransport(endpoint: URL, fetch: OutboundFetch): Transport {
  let failure: Error | undefined
  const transport = new SSEClientTransport(endpoint, {
    fetch: (url, init) =>
      fetch(url, init).catch((error: unknown) => {
        if (error instanceof Error) failure = error
        throw error
      }),
  })
  const start = transport.start.bind(transport)
  transport.start = () =>
    start().catch((error: unknown) => {
      throw failure ?? error
    })
  return transport
}

/** The protocol's transport waits until the time-out for an answer whose stream has ended. */
class AnsweringTransport extends StreamableHTTPClientTransport {
  override send(...[message, options]: Parameters<StreamableHTTPClientTransport['send']>) {
    if (Array.isArray(message) || !('method' in message) || !('id' in message)) {
      return super.send(message, options)
    }
    const { id } = message
    return super.send(message, {
      ...options,
      // After an answer this finds nobody who waits.
      onRequestStreamEnd: () =>
        this.onmessage?.({
          jsonrpc: '2.0',
          id,
          error: { code: answerLost, message: 'the stream ended without an answer' },
        }),
    })
  }
}
