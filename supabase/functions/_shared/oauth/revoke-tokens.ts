import { giveUp } from '../outbound/give-up.ts'
import { timeLimit } from '../time.ts'
import { authenticateClient } from './client-authentication.ts'
import { kindOf } from './failure.ts'
import type { OAuthDependencies } from './dependencies.ts'
import type { Tokens } from './read-token-answer.ts'
import type { TokenRequest } from './token-request.ts'
import { withinOrigin } from './within-origin.ts'

const patience = 5_000

/**
 * Tries to revoke tokens at their issuer (RFC 7009): the refresh token first, which ends the grant.
 * A failure is logged; our copies are deleted in any case.
 * @returns whether the issuer accepted all of them; null when it has no endpoint for that
 */
export async function revokeTokens(
  { log }: Pick<OAuthDependencies, 'log'>,
  { metadata, client, fetch }: Pick<TokenRequest, 'metadata' | 'client' | 'fetch'>,
  tokens: Pick<Tokens, 'accessToken' | 'refreshToken'>,
): Promise<boolean | null> {
  const endpoint = metadata.revocation_endpoint
  if (endpoint === undefined) return null
  const pairs = [
    ['refresh_token', tokens.refreshToken],
    ['access_token', tokens.accessToken],
  ] as const
  let revoked = true
  for (const [hint, token] of pairs) {
    if (token === null) continue
    const headers = new Headers({ accept: 'application/json' })
    const body = new URLSearchParams({ token, token_type_hint: hint })
    const supported =
      metadata.revocation_endpoint_auth_methods_supported ??
      metadata.token_endpoint_auth_methods_supported
    authenticateClient(client, supported, headers, body)
    try {
      const signal = timeLimit(patience)
      const init = { method: 'POST', headers, body, signal }
      const response = await withinOrigin(fetch)(endpoint, init)
      revoked &&= response.ok
      await giveUp(response.body)
    } catch (error) {
      revoked = false
      log({ level: 'warn', event: 'revocation_failed', detail: kindOf(error) })
    }
  }
  return revoked
}
