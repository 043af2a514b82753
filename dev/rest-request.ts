import { AsyncLocalStorage } from 'node:async_hooks'

type Settings = Readonly<Record<string, string>>

const requests = new AsyncLocalStorage<Settings>()

/**
 * Answers a request while its method, path and headers can be asked for: lite tells a connection
 * of them for a function call only.
 */
export function withRequest(
  request: Request,
  answer: (request: Request) => Promise<Response>,
): Promise<Response> {
  return requests.run(settingsOf(request), () => answer(request))
}

/** What PostgREST sets of the request that is being answered, by name. */
export const currentRequest = (): Settings => requests.getStore() ?? {}

function settingsOf({ method, url, headers }: Request): Settings {
  const { pathname } = new URL(url)
  return {
    'request.method': method,
    'request.path': pathname.replace(/^\/rest\/v1/, '') || '/',
    'request.headers': JSON.stringify(Object.fromEntries(headers)),
  }
}
