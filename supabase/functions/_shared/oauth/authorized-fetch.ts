import { AppError } from '../errors.ts'
import { giveUp } from '../outbound/give-up.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { readChallenge } from './challenge.ts'
import type { Credential, Credentials } from './credentials.ts'
import { hasMoved } from './discover.ts'
import type { ConnectionKey } from './secret-places.ts'
import type { OAuthDependencies } from './dependencies.ts'
import { isAt, withKeys } from './with-keys.ts'

/**
 * A guarded `fetch` for the calls of one person to one MCP server, for the protocol's transport. The
 * token and the keys in headers go to the origin of the configuration's endpoint only. A 401 causes one
 * refresh and one retry; a second one ends the grant where no key was sent too. A demand for more scopes is stored for the next authorization.
 * @throws AppError as `Credentials.get` does, and `insufficient_scope`
 */
export function createAuthorizedFetch(
  deps: Pick<OAuthDependencies, 'database' | 'outbound'>,
  credentials: Credentials,
  key: ConnectionKey,
): OutboundFetch {
  return async (url, init) => {
    const credential = await credentials.get(key)
    const token = tokenFor(credential, url)
    const response = await send(deps, credential, token, url, init)
    if (token === null) return response
    if (response.status !== 401) return checkScope(deps, key, response)
    await giveUp(response.body)
    const renewed = await credentials
      .get(key, credential.generation)
      .catch(async (error: unknown) => {
        const isOver = error instanceof AppError && error.code === 'connection_needs_authorization'
        throw isOver && (await isElsewhere(deps, credential, response)) ? moved() : error
      })
    const retried = await send(deps, renewed, tokenFor(renewed, url), url, init)
    if (retried.status !== 401) return checkScope(deps, key, retried)
    const isMoved = await isElsewhere(deps, renewed, retried)
    // The server may refuse the key and not the token, so the grant stays.
    if (!isMoved && Object.keys(renewed.headers).length > 0) return retried
    // Tokens that were refreshed a moment ago: no further ones will do.
    await giveUp(retried.body)
    const failure = isMoved
      ? moved()
      : new AppError('connection_needs_authorization', { cause: '401 to refreshed tokens' })
    await credentials.end(key, renewed.generation, failure.code)
    throw failure
  }
}

const moved = () =>
  new AppError('authorization_server_changed', { cause: 'the server names another issuer' })

/** Whether the server that refused a token wants one of another authorization server by now. */
async function isElsewhere(
  { outbound }: Pick<OAuthDependencies, 'outbound'>,
  { allowedHosts, endpoint, query, headers: keys, issuer }: Credential,
  { headers }: Response,
): Promise<boolean> {
  if (issuer === null) return false
  const whole = new URL(endpoint)
  if (query !== null) whole.search = query
  const server = { endpoint: whole.href, headers: keys }
  return hasMoved(outbound(allowedHosts), server, readChallenge(headers), issuer)
}

function tokenFor({ token, endpoint }: Credential, url: string | URL): string | null {
  return isAt(endpoint, url) ? token : null
}

function send(
  { outbound }: Pick<OAuthDependencies, 'outbound'>,
  { allowedHosts, endpoint, query, headers: keys }: Credential,
  token: string | null,
  url: string | URL,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers)
  // Replaces any other value of the caller: only this server's own credentials are sent.
  headers.delete('authorization')
  if (token !== null) headers.set('authorization', `Bearer ${token}`)
  const target = new URL(url)
  if (query !== null && target.href === new URL(endpoint).href) target.search = query
  const fetch = withKeys(outbound(allowedHosts), { endpoint, headers: keys })
  return fetch(target, { ...init, headers })
}

/** RFC 6750, section 3.1: the token is good, and not enough. */
async function checkScope(
  { database }: Pick<OAuthDependencies, 'database'>,
  { organizationId, userId, configurationId }: ConnectionKey,
  response: Response,
): Promise<Response> {
  if (response.status !== 403) return response
  const { error, scope } = readChallenge(response.headers)
  if (error !== 'insufficient_scope') return response
  await giveUp(response.body)
  if (scope !== undefined) {
    await database.admin.call('require_mcp_scope', {
      organization_id: organizationId,
      user_id: userId,
      mcp_configuration_id: configurationId,
      scope: scope.slice(0, 4096),
    })
  }
  throw new AppError('insufficient_scope')
}
