import { giveUp } from '../../outbound/give-up.ts'
import type { OutboundFetch } from '../../outbound/outbound.ts'

const maxRedirects = 3
const keepsMethod = new Set([307, 308])
const changesMethod = new Set([301, 302])

/**
 * The same fetch, following redirects within the origin with the method and the body, and asking at once
 * where it was sent the last time. Many servers send `/mcp` to `/mcp/`. It repeats no call after a 301 or a
 * 302, because a server may answer so after it has carried the call out.
 * @returns for any other redirect the redirect itself, which is no success
 */
export function followRedirects(fetch: OutboundFetch, isCall: (init: RequestInit) => boolean) {
  const moved = new Map<string, URL>()
  const follow: OutboundFetch = async (url, init = {}) => {
    const asked = new URL(url)
    let target = moved.get(asked.href) ?? asked
    for (let hops = 0; ; hops += 1) {
      const response = await fetch(target, { ...init, redirect: 'manual' })
      const { status } = response
      const isFollowed = keepsMethod.has(status) || (changesMethod.has(status) && !isCall(init))
      const next = isFollowed && hops < maxRedirects ? nextOf(response, target) : null
      if (next === null) return response
      await giveUp(response.body)
      target = next
      moved.set(asked.href, target)
    }
  }
  return follow
}

function nextOf({ headers }: Response, from: URL): URL | null {
  const location = headers.get('location')
  if (location === null || !URL.canParse(location, from)) return null
  const next = new URL(location, from)
  return next.origin === from.origin ? next : null
}
