import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { withKeys } from '../../../supabase/functions/_shared/oauth/with-keys.ts'
import { withinOrigin } from '../../../supabase/functions/_shared/oauth/within-origin.ts'
import { createOutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'
import { listen } from '../../support/oauth/http-server.ts'

/** A server that notes the keys of its requests, and redirects each path as told. */
async function startServer(redirects: Record<string, string>) {
  const seen: string[] = []
  const { origin } = await listen((request: IncomingMessage, response) => {
    const { url = '', headers } = request
    seen.push(`${url} ${String(headers['x-key'] ?? '-')} ${headers.authorization ?? '-'}`)
    const location = redirects[url]
    if (location === undefined) response.writeHead(200).end()
    else response.writeHead(302, { location }).end()
  })
  return { origin, seen }
}

const guarded = createOutboundFetch({ allowLoopback: true, allowedHosts: null })
const keys = { 'x-key': 'secret' }

describe('the keys of a server', () => {
  it('follow a redirect within its origin', async () => {
    const server = await startServer({ '/mcp': '/moved' })
    const fetch = withKeys(guarded, { endpoint: `${server.origin}/mcp`, headers: keys })
    for (const send of [fetch, withinOrigin(fetch)]) {
      server.seen.length = 0
      await send(`${server.origin}/mcp`)
      expect(server.seen).toEqual(['/mcp secret -', '/moved secret -'])
    }
  })

  it('follow no redirect to another origin, and do not come back with the next one', async () => {
    const redirects: Record<string, string> = {}
    const server = await startServer(redirects)
    const other = await startServer({ '/stolen': `${server.origin}/back` })
    redirects['/mcp'] = `${other.origin}/stolen`
    const fetch = withKeys(guarded, { endpoint: `${server.origin}/mcp`, headers: keys })
    await fetch(`${server.origin}/mcp`, { headers: { authorization: 'Bearer token' } })
    expect(server.seen).toEqual(['/mcp secret Bearer token', '/back - -'])
    expect(other.seen).toEqual(['/stolen - -'])
  })

  it('are in no request to another origin, and replace no token', async () => {
    const [server, other] = [await startServer({}), await startServer({})]
    const endpoint = `${server.origin}/mcp`
    const fetch = withKeys(guarded, { endpoint, headers: { ...keys, authorization: 'Basic key' } })
    await fetch(`${other.origin}/mcp`)
    await fetch(endpoint, { headers: { authorization: 'Bearer token' } })
    await fetch(endpoint)
    expect(other.seen).toEqual(['/mcp - -'])
    expect(server.seen).toEqual(['/mcp secret Bearer token', '/mcp secret Basic key'])
  })
})
