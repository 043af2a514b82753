import type { Caller, VerifyAccessToken } from '../auth/access-token.ts'
import { type Database, isApiKey } from '../database.ts'
import { AppError } from '../errors.ts'

/**
 * Verifies API keys beside access tokens. A key that was known once passes here without a question:
 * each statement that it makes checks it again, in the transaction that acts.
 * @throws AppError `unauthorized`, and why an access token is refused
 */
export function acceptApiKeys(
  verifyAccessToken: VerifyAccessToken,
  database: Pick<Database, 'identify'>,
): VerifyAccessToken {
  return async (headers) => {
    const key = /^Bearer +(clq_.*)$/i.exec(headers.get('authorization') ?? '')?.[1]
    if (key === undefined) return verifyAccessToken(headers)
    if (!isApiKey(key)) throw new AppError('unauthorized')
    return { ...(await database.identify(key)), isGuest: false, accessToken: key }
  }
}

/**
 * Refuses an API key where only a person who signed in may act.
 * @throws AppError `unauthorized`: the answer to a credential that is not known
 */
export function requireSignIn(caller: Caller): Caller {
  if (isApiKey(caller.accessToken)) throw new AppError('unauthorized')
  return caller
}
