import { AppError } from '../errors.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { authenticateClient } from './client-authentication.ts'
import type { OAuthClient } from './client.ts'
import { busyFailure, authorizationServerFailure } from './failure.ts'
import { readTokenAnswer, type Tokens } from './read-token-answer.ts'
import { revokeTokens } from './revoke-tokens.ts'
import type { ServerMetadata } from './rows.ts'
import type { OAuthDependencies } from './dependencies.ts'
import { withinOrigin } from './within-origin.ts'

export interface TokenRequest {
  readonly metadata: ServerMetadata
  readonly client: OAuthClient
  /** RFC 8707; null: the parameter is left out. */
  readonly resource: string | null
  readonly fetch: OutboundFetch
  readonly clock: OAuthDependencies['clock']
  readonly log: OAuthDependencies['log']
}

/** The authorization server understood the request and refused the grant. */
export class GrantRefused extends Error {
  override readonly name = 'GrantRefused'
  constructor(
    readonly what: 'grant' | 'client',
    /** The authorization server's own code, for the log. */
    readonly code: string,
  ) {
    super(`${what} ${code}`)
  }
}

/**
 * Exchanges a code (RFC 6749, section 4.1.3).
 * @throws GrantRefused, AppError
 */
export function exchangeCode(
  request: TokenRequest,
  {
    code,
    codeVerifier,
    redirectUri,
  }: Readonly<Record<'code' | 'codeVerifier' | 'redirectUri', string>>,
): Promise<Tokens> {
  return send(request, {
    grant_type: 'authorization_code',
    code,
    code_verifier: codeVerifier,
    redirect_uri: redirectUri,
  })
}

/**
 * Refreshes tokens (RFC 6749, section 6); the refresh token stays when the answer has none.
 * @throws GrantRefused, AppError
 */
export async function refreshTokens(request: TokenRequest, refreshToken: string): Promise<Tokens> {
  const tokens = await send(request, { grant_type: 'refresh_token', refresh_token: refreshToken })
  return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken }
}

/** Codes by which servers say that a grant is over; the first is RFC 6749's, the others are in use. */
const deadGrant = new Set([
  ...['invalid_grant', 'bad_refresh_token', 'invalid_refresh_token', 'refresh_token_expired'],
  ...['expired_token', 'token_expired', 'token_revoked', 'access_denied', 'consent_required'],
  ...['interaction_required', 'login_required'],
])

/** Codes of an error that has nothing to do with what was asked. */
const passing = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

async function send(
  request: TokenRequest,
  grant: Readonly<Record<string, string>>,
): Promise<Tokens> {
  const { metadata, client, resource, fetch, clock, log } = request
  const headers = new Headers({ accept: 'application/json' })
  const body = new URLSearchParams({ ...grant, ...(resource !== null && { resource }) })
  authenticateClient(client, metadata.token_endpoint_auth_methods_supported, headers, body)
  let response: Response
  let answer: unknown
  try {
    const init = { method: 'POST', headers, body }
    response = await withinOrigin(fetch)(metadata.token_endpoint, init)
    answer = await fieldsOf(response)
  } catch (error) {
    throw authorizationServerFailure(error)
  }
  const { status } = response
  // A proxy's page or a 5xx says nothing of the grant.
  if (status >= 500) {
    throw new AppError('authorization_server_unreachable', { cause: `status ${status}` })
  }
  if (status === 429) throw busyFailure(response.headers, clock, `status ${status}`)
  const read = readTokenAnswer(answer)
  if ('tokens' in read && response.ok) return read.tokens
  if ('error' in read) throw refusal(read.error, status, client, grant['grant_type'])
  if (!response.ok)
    throw new AppError('authorization_server_refused', { cause: `status ${status}` })
  const { unusable, received } = 'unusable' in read ? read : { unusable: 'no tokens' }
  // What was received once is not dropped: nobody else will end the grant.
  if (received) await revokeTokens({ log }, { metadata, client, fetch }, received)
  throw new AppError('authorization_server_error', { cause: unusable })
}

/** A dead grant is first of all a dead grant: that a client may not do this is also said of one. */
function refusal(
  said: string,
  status: number,
  { row }: OAuthClient,
  grantType: string | undefined,
): Error {
  const code = said.toLowerCase()
  if (deadGrant.has(code)) return new GrantRefused('grant', code)
  const isRefresh = grantType === 'refresh_token'
  if (code === 'unauthorized_client' && isRefresh && row?.source !== 'preregistered') {
    return new GrantRefused('grant', code)
  }
  if (code === 'invalid_client' || code === 'unauthorized_client') {
    return new GrantRefused('client', code)
  }
  const cause = `${code} (${status})`
  if (passing.has(code)) return new AppError('authorization_server_unreachable', { cause })
  return new AppError('authorization_server_refused', { cause })
}

/** The fields of an answer, which some servers write as a form, whatever its type says. */
async function fieldsOf(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    const isForm = /^(?:[\w.-]+=[^&\s<>]*(?:&|\s*$))+$/.test(text)
    // Otherwise a page of a proxy, or of the server itself.
    return isForm ? Object.fromEntries(new URLSearchParams(text.trim())) : undefined
  }
}
