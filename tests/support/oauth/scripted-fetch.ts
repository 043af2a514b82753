import type { OutboundFetch } from '../../../supabase/functions/_shared/outbound/outbound.ts'

/** A request, with its form or JSON body as text. */
export interface Requested {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** A fetch that answers by address, and with 404 where nothing is written down. */
export function scriptedFetch(
  answers: Readonly<Record<string, unknown>>,
): OutboundFetch & { readonly requested: Requested[] } {
  const requested: Requested[] = []
  const fetch: OutboundFetch = async (url, init = {}) => {
    const { href } = new URL(url)
    const body = init.body instanceof URLSearchParams ? init.body.toString() : init.body
    const headers = Object.fromEntries(new Headers(init.headers).entries())
    requested.push({ url: href, body: typeof body === 'string' ? body : '', headers })
    const answer = answers[href]
    const said: unknown =
      typeof answer === 'function'
        ? (answer as (r: Requested) => unknown)(requested.at(-1)!)
        : answer
    if (said instanceof Error) throw said
    if (said instanceof Response) return said.clone()
    return said === undefined ? new Response('not found', { status: 404 }) : Response.json(said)
  }
  return Object.assign(fetch, { requested })
}
