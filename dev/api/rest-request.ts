import { AsyncLocalStorage } from 'node:async_hooks'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { decodeJwt } from 'jose'
import { FairQueue } from '../process/fair-queue.ts'

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

/** The settings that PostgREST makes from the current request, by name. */
export const currentRequest = (): Settings => requests.getStore() ?? {}

/**
 * Answers two requests of a person at once, as the database would run them; up to a hundred more
 * wait before they take a connection. The platform's REST has no such queue: there and here
 * private.check_request() bounds what a person runs.
 *
 * @param unbound the token that is not held up: the secret key, which the functions share
 */
export function inTurn(
  unbound: string,
  jwtSecret: string,
  answer: (request: Request) => Promise<Response>,
): (request: Request, left?: AbortSignal) => Promise<Response> {
  const queue = new FairQueue(2, 100)
  return (request, left) => {
    const { headers } = request
    const token = headers.get('authorization')?.replace(/^Bearer /i, '') ?? headers.get('apikey')
    // A function acts for the person of an API key with the secret key, and names the person.
    const acting = token === unbound ? headers.get('x-acting-person') : null
    if (token === null || (token === unbound && acting === null)) return answer(request)
    const person = acting ?? personOf(token, jwtSecret)
    return queue.run(person, () => answer(request), refusal, left)
  }
}

/**
 * The person of a token with a valid signature. All other tokens count as one person together: a
 * forged token must neither delay the person that it names nor have its own line.
 */
function personOf(token: string, jwtSecret: string): string {
  const [header, payload, signature = ''] = token.split('.')
  const expected = createHmac('sha256', jwtSecret).update(`${header}.${payload}`).digest()
  const given = Buffer.from(signature, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'nobody'
  return decodeJwt(token).sub ?? 'nobody'
}

/** The same answer as private.refuse_request() of the migrations. */
function refusal(): Response {
  const body = {
    code: 'PT429',
    message: 'too_many_requests',
    details: 'At most 2 requests of one person are answered at once; 100 more wait.',
    hint: JSON.stringify({ limit: 'rest', max_concurrent: 2, retry_after: 1 }),
  }
  return Response.json(body, { status: 429, headers: { 'retry-after': '1' } })
}

function settingsOf({ method, url, headers }: Request): Settings {
  const { pathname } = new URL(url)
  return {
    'request.method': method,
    'request.path': pathname.replace(/^\/rest\/v1/, '') || '/',
    'request.headers': JSON.stringify(Object.fromEntries(headers)),
  }
}
