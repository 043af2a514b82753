import type { OutboundFetch } from '../outbound/outbound.ts'

/** A server and the keys that its requests carry in headers. */
export interface KeyedServer {
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The same fetch, whose requests to the origin of the endpoint carry the server's keys. Requests to
 * every other origin carry none, and the guard takes them off a redirect to another origin.
 */
export function withKeys(
  fetch: OutboundFetch,
  { endpoint, headers: keys }: KeyedServer,
): OutboundFetch {
  return (url, init = {}) => {
    if (!isAt(endpoint, url)) return fetch(url, init)
    const headers = new Headers(init.headers)
    // The token of a connection is in `authorization` before any key.
    for (const [name, value] of Object.entries(keys)) {
      if (!headers.has(name)) headers.set(name, value)
    }
    return fetch(url, { ...init, headers })
  }
}

/** Whether an address has the origin of the endpoint. A text that is no address has none. */
export function isAt(endpoint: string, url: string | URL): boolean {
  return (
    URL.canParse(endpoint) &&
    URL.canParse(String(url)) &&
    new URL(url).origin === new URL(endpoint).origin
  )
}
