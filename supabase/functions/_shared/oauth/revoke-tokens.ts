import { giveUp } from '../outbound/give-up.ts'
import { timeLimit } from '../time.ts'
import { authenticateClient } from './client-authentication.ts'
import { kindOf } from './failure.ts'
import type { OAuthDependencies } from './dependencies.ts'
import type { Tokens } from './read-token-answer.ts'
import type { TokenRequest } from './token-request.ts'
import { withinOrigin } from './within-origin.ts'

/**
 * Tries to revoke tokens at their issuer (RFC 7009): the refresh token first, which ends the grant.
 * A failure is logged.
 * @param patience milliseconds for each of the two requests
 * @returns whether the issuer accepted; null when it has no endpoint for that
 */
export async function revokeTokens(
  { log }: Pick<OAuthDependencies, 'log'>,
  { metadata, client, fetch }: Pick<TokenRequest, 'metadata' | 'client' | 'fetch'>,
  { refreshToken, accessToken }: Pick<Tokens, 'accessToken' | 'refreshToken'>,
  patience = 5_000,
): Promise<boolean | null> {
  const endpoint = metadata.revocation_endpoint
  if (endpoint === undefined) return null
  const post = async (token: string, hint: string): Promise<number | null> => {
    const headers = new Headers({ accept: 'application/json' })
    const body = new URLSearchParams({ token, token_type_hint: hint })
    const supported =
      metadata.revocation_endpoint_auth_methods_supported ??
      metadata.token_endpoint_auth_methods_supported
    authenticateClient(client, supported, headers, body)
    try {
      const init = { method: 'POST', headers, body, signal: timeLimit(patience) }
      const response = await withinOrigin(fetch)(endpoint, init)
      await giveUp(response.body)
      if (response.ok) return response.status
      const detail = `${hint}: status ${response.status}`
      log({ level: 'warn', event: 'revocation_failed', detail })
      return response.status
    } catch (error) {
      log({ level: 'warn', event: 'revocation_failed', detail: `${hint}: ${kindOf(error)}` })
      return null
    }
  }
  const ended = refreshToken === null ? null : isOk(await post(refreshToken, 'refresh_token'))
  const status = await post(accessToken, 'access_token')
  // Some issuers revoke no access token by itself (RFC 7009, section 2.2.1): its grant is over.
  const cannot = ended === true && status === 400
  return ended !== false && (isOk(status) || cannot)
}

function isOk(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300
}
