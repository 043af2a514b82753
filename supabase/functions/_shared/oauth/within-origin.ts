import { giveUp } from '../outbound/give-up.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'

const maxRedirects = 3

/**
 * The same fetch, following redirects within the origin alone: what an authorization server says about
 * itself, and what it is sent, is not another server's to say or see.
 * @returns for any other redirect the redirect itself, which is no success
 */
export function withinOrigin(fetch: OutboundFetch): OutboundFetch {
  return async (url, init = {}) => {
    let target = new URL(url)
    for (let hops = 0; ; hops += 1) {
      const response = await fetch(target, { ...init, redirect: 'manual' })
      const location = response.headers.get('location')
      const keepsMethod = init.method === undefined || response.status >= 307
      const isRedirect = response.status >= 300 && response.status < 400 && location !== null
      if (!isRedirect || !keepsMethod || hops === maxRedirects) return response
      if (!URL.canParse(location, target)) return response
      const next = new URL(location, target)
      if (next.origin !== target.origin) return response
      await giveUp(response.body)
      target = next
    }
  }
}
