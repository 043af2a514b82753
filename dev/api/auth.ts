import { explainAuth, explaining } from '../postgres/database-trouble.ts'
import { openPool } from '../postgres/pg-pool.ts'
import { withAnonymous } from './anonymous.ts'
import { refuseBody } from './auth-requests.ts'
import { createTokenIssuer, hasTokenHook, HookRefused, type TokenIssuer } from './auth-tokens.ts'
import type { LiteOptions, LiteServer } from './lite.ts'

/**
 * Wraps lite's auth: it issues every access token in an answer, in the body or in the fragment of a
 * redirect, again with the claims of the token hook. Sessions and refresh tokens stay those of
 * lite, which accepts the new token because subject, session and key are the same. Closing does not
 * close lite.
 */
export async function withTokenHook(auth: LiteServer, options: LiteOptions): Promise<LiteServer> {
  const { database, secrets, url, log } = options
  const pool = openPool(database.auth, 4)
  if (!(await hasTokenHook(pool))) {
    await pool.end()
    log('The migrations have no public.custom_access_token_hook: tokens carry no organization.')
    return { fetch: explaining(auth.fetch, explainAuth), close: () => Promise.resolve() }
  }
  const issuer = createTokenIssuer(pool, secrets.jwtSecret, url)
  const complete = withAnonymous(auth.fetch, pool, secrets.jwtSecret)
  const answer = async (request: Request) => {
    const refusal = await refuseBody(request)
    if (refusal !== undefined) return refusal
    const response = await complete(request)
    try {
      return await reissue(response, methodOf(new URL(request.url)), issuer)
    } catch (error) {
      if (!(error instanceof HookRefused)) throw error
      return Response.json(
        { code: error.status, error_code: 'hook_error', msg: error.message },
        { status: error.status, headers: { 'X-Sb-Error-Code': 'hook_error' } },
      )
    }
  }
  return {
    fetch: explaining(answer, explainAuth),
    close: () => pool.end(),
  }
}

/** `authentication_method` of the hook's event (Supabase, Custom Access Token Hook, inputs). */
function methodOf(url: URL): string {
  if (url.pathname.endsWith('/verify')) return 'otp'
  if (url.pathname.endsWith('/callback')) return 'oauth'
  switch (url.searchParams.get('grant_type')) {
    case 'refresh_token':
      return 'token_refresh'
    case 'pkce':
      return 'oauth'
    default:
      return 'password'
  }
}

async function reissue(response: Response, method: string, issuer: TokenIssuer) {
  const location = response.headers.get('location')
  if (location !== null) return reissueLocation(response, location, method, issuer)
  if (!response.headers.get('content-type')?.startsWith('application/json')) return response
  const text = await response.text()
  const headers = new Headers(response.headers)
  headers.delete('content-length')
  const answer = (body: string) => new Response(body, { status: response.status, headers })
  const session: unknown = JSON.parse(text)
  if (!hasAccessToken(session)) return answer(text)
  const access_token = await issuer.reissue(session.access_token, method)
  return answer(JSON.stringify({ ...session, access_token }))
}

function hasAccessToken(value: unknown): value is { access_token: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'access_token' in value &&
    typeof value.access_token === 'string'
  )
}

async function reissueLocation(
  response: Response,
  location: string,
  method: string,
  issuer: TokenIssuer,
): Promise<Response> {
  const [target, fragment] = location.split('#', 2)
  const parameters = new URLSearchParams(fragment)
  const token = parameters.get('access_token')
  if (token === null) return response
  parameters.set('access_token', await issuer.reissue(token, method))
  const headers = new Headers(response.headers)
  headers.set('location', `${target}#${parameters.toString()}`)
  return new Response(null, { status: response.status, headers })
}
