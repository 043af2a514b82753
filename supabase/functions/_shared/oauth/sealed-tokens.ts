import type { Keyset } from '../crypto/keyset.ts'
import { seal } from '../crypto/seal.ts'
import { type ConnectionKey, tokenPlace } from './secret-places.ts'
import type { Tokens } from './read-token-answer.ts'

/** Tokens in the columns that store them. */
export async function sealTokens(keyset: Keyset, key: ConnectionKey, tokens: Tokens) {
  const { accessToken, refreshToken } = tokens
  return {
    access_token: await seal(keyset, tokenPlace(key, 'access_token'), accessToken),
    refresh_token:
      refreshToken === null
        ? null
        : await seal(keyset, tokenPlace(key, 'refresh_token'), refreshToken),
    token_type: 'Bearer',
    scope: tokens.scope,
    expires_in: tokens.expiresIn,
  }
}
