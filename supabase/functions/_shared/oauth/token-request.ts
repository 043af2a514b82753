import {
  exchangeAuthorization,
  type OAuthTokens,
  OAuthError,
  refreshAuthorization,
} from '@modelcontextprotocol/client'
import { AppError } from '../errors.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { authenticateClient } from './client-authentication.ts'
import { clientInformation, type OAuthClient } from './client.ts'
import { authorizationServerFailure, kindOf } from './failure.ts'
import type { ServerMetadata } from './rows.ts'

/** Tokens as they are stored, not yet sealed. */
export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string | null
  readonly scope: string | null
  /** Seconds from now; null when the issuer did not say. */
  readonly expiresIn: number | null
}

export interface TokenRequest {
  readonly metadata: ServerMetadata
  readonly client: OAuthClient
  readonly resource: string
  readonly fetch: OutboundFetch
}

/** The authorization server understood the request and refused what it was given. */
export class GrantRefused extends Error {
  override readonly name = 'GrantRefused'
  constructor(readonly what: 'grant' | 'client') {
    super(what)
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
  const { metadata, client, resource } = request
  return send(request, (fetchFn) =>
    exchangeAuthorization(metadata.issuer, {
      metadata,
      clientInformation: clientInformation(client),
      authorizationCode: code,
      codeVerifier,
      redirectUri,
      resource,
      // The issuer of the callback was checked in the callback; the metadata here is that issuer's.
      iss: metadata.issuer,
      addClientAuthentication: authenticate(request),
      fetchFn,
    }),
  )
}

/**
 * Refreshes tokens (RFC 6749, section 6); the refresh token stays when the answer has none.
 * @throws GrantRefused, AppError
 */
export function refreshTokens(request: TokenRequest, refreshToken: string): Promise<Tokens> {
  const { metadata, client, resource } = request
  return send(request, (fetchFn) =>
    refreshAuthorization(metadata.issuer, {
      metadata,
      clientInformation: clientInformation(client),
      refreshToken,
      resource,
      addClientAuthentication: authenticate(request),
      fetchFn,
    }),
  )
}

function authenticate({ client, metadata }: TokenRequest) {
  return (headers: Headers, parameters: URLSearchParams): void => {
    const supported = metadata.token_endpoint_auth_methods_supported
    authenticateClient(client, supported, headers, parameters)
  }
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

async function send(
  { fetch }: TokenRequest,
  work: (fetchFn: Fetch) => Promise<OAuthTokens>,
): Promise<Tokens> {
  let status = 0
  try {
    const tokens = await work(async (url, init) => {
      const response = await fetch(url, init)
      status = response.status
      return response
    })
    return readTokens(tokens)
  } catch (error) {
    // Only a proper refusal counts: a proxy's page or a 5xx says nothing of the grant.
    if (error instanceof OAuthError && (status < 500 || status > 599)) {
      if (error.code === 'invalid_grant') throw new GrantRefused('grant')
      if (error.code === 'invalid_client' || error.code === 'unauthorized_client') {
        throw new GrantRefused('client')
      }
    }
    const failed = authorizationServerFailure(error)
    throw new AppError(failed.code, { cause: `${kindOf(error)} (${status})` })
  }
}

const longestToken = 16_384
const tenYears = 10 * 365 * 24 * 60 * 60

function readTokens(tokens: OAuthTokens): Tokens {
  const { access_token: accessToken, refresh_token: refreshToken, token_type: type } = tokens
  // RFC 6750, section 2.1: only these characters may stand in the header.
  if (type.toLowerCase() !== 'bearer' || !/^[\x21-\x7e]+$/.test(accessToken)) {
    throw new AppError('authorization_server_error', { cause: 'not a bearer token' })
  }
  if (accessToken.length > longestToken || (refreshToken?.length ?? 0) > longestToken) {
    throw new AppError('authorization_server_error', { cause: 'a token that is too long' })
  }
  const seconds = tokens.expires_in
  return {
    accessToken,
    refreshToken: refreshToken || null,
    scope: tokens.scope?.slice(0, 4096) || null,
    expiresIn: seconds === undefined ? null : Math.min(Math.max(1, seconds), tenYears),
  }
}
