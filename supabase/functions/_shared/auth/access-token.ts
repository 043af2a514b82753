import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  importJWK,
  jwtVerify,
  type CryptoKey,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  type ProtectedHeaderParameters,
} from 'jose'
import { AppError } from '../errors.ts'
import { type Clock, systemClock } from '../time.ts'
import { AskAuth, type AskAuthOptions, patience } from './ask-auth.ts'

/** The caller, from the access token. The database decides what the caller may do. */
export interface Caller {
  readonly userId: string
  /** The id of the auth session or of the API key, which the database looks up in user_sessions. */
  readonly sessionId: string
  /** The active organization of the token, or the organization of the API key. */
  readonly organizationId: number
  /** The token says that its person is a guest; the database decides who is one. */
  readonly isGuest: boolean
  /** The received token or API key; the database client acts with it as the caller. */
  readonly accessToken: string
}

export interface AccessTokenOptions extends AskAuthOptions {
  /** `iss` of its tokens. */
  readonly jwtIssuer: string
  /** The platform's keys from SUPABASE_JWKS; null means: ask the issuer's key endpoint. */
  readonly jwks: { readonly keys: readonly JWK[] } | null
  readonly clock?: Clock
}

/** Verifies the `authorization` header of a request. */
export type VerifyAccessToken = (headers: Headers) => Promise<Caller>

// One algorithm per kind of key: an RSA public key must never serve as an HMAC secret (RFC 8725, 3.1).
const algorithms: readonly (readonly [algorithm: string, kty: string, crv: string | undefined])[] =
  [
    ['HS256', 'oct', undefined],
    ['RS256', 'RSA', undefined],
    ['ES256', 'EC', 'P-256'],
    ['EdDSA', 'OKP', 'Ed25519'],
  ]
const organization = /^[1-9]\d{0,17}$/
const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

/**
 * Builds the verifier of Supabase access tokens: signature, issuer, audience and role
 * `authenticated`, expiry, user and session. Every request needs a token of a signed-in user.
 * The options are read with the first request, so that a missing variable fails no start.
 * @throws AppError `unauthorized`, `no_organization`, or `auth_unavailable` when keys cannot be read
 */
export function createAccessTokenVerifier(options: AccessTokenOptions): VerifyAccessToken {
  let verify: ((token: string) => Promise<JWTPayload>) | undefined
  return async (headers) => {
    const accessToken = bearerToken(headers)
    verify ??= createVerify(options)
    return callerOf(await verify(accessToken), accessToken)
  }
}

function createVerify(options: AccessTokenOptions): (token: string) => Promise<JWTPayload> {
  const { supabaseUrl, jwtIssuer: issuer, jwks, clock = systemClock } = options
  const { timeout: timeoutDuration = patience } = options
  const endpoint = new URL(`${supabaseUrl}/auth/v1/.well-known/jwks.json`)
  const askEndpoint = createRemoteJWKSet(endpoint, { timeoutDuration })
  const findKey = jwks ? firstOf(localKeys(jwks.keys), askEndpoint) : askEndpoint
  // Functions hold no shared secret of a hosted project; only a local key set has one.
  const hasSecret = jwks?.keys.some(({ kty }) => kty === 'oct') === true
  const auth = new AskAuth(options)
  return async (token) => {
    const { alg, kid } = headerOf(token)
    try {
      const isKnown = kid !== undefined && jwks?.keys.some((jwk) => jwk.kid === kid) === true
      if (alg === 'HS256' && !hasSecret && !isKnown) {
        // Auth is asked about no token that its own claims refuse.
        checkClaims(decodeJwt(token), issuer, clock.now())
        return checkClaims(await auth.claimsOf(token), issuer, clock.now())
      }
      const verified = await jwtVerify(token, findKey, {
        algorithms: algorithms.map(([algorithm]) => algorithm),
        currentDate: new Date(clock.now()),
      })
      return checkClaims(verified.payload, issuer, clock.now())
    } catch (cause) {
      throw verdictOf(cause)
    }
  }
}

function headerOf(token: string): ProtectedHeaderParameters {
  try {
    return decodeProtectedHeader(token)
  } catch (cause) {
    throw unauthorized(cause)
  }
}

/** @returns the claims of a token that may be used now, once it is verified. @throws AppError `unauthorized` */
function checkClaims(claims: JWTPayload, issuer: string, now: number): JWTPayload {
  const { iss, aud, exp, nbf, role } = claims
  const seconds = now / 1000
  if (iss !== issuer) {
    const found = typeof iss === 'string' ? iss : 'absent'
    throw unauthorized(`the issuer of the token is ${found}, not ${issuer}: see JWT_ISSUER`)
  }
  if (![aud].flat().includes('authenticated')) throw unauthorized('the audience is another')
  if (typeof exp !== 'number' || exp <= seconds) throw unauthorized('the token has expired')
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= seconds)) {
    throw unauthorized('the token is not valid yet')
  }
  if (role !== 'authenticated') throw unauthorized('the role is not authenticated')
  return claims
}

function bearerToken(headers: Headers): string {
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  if (token === undefined) throw unauthorized()
  return token
}

function verdictOf(cause: unknown): AppError {
  if (cause instanceof AppError) return cause
  // Any other error is a failure to get the keys, and no reason to sign out.
  const unavailable =
    !(cause instanceof errors.JOSEError) ||
    cause instanceof errors.JWKSTimeout ||
    cause instanceof errors.JWKSInvalid ||
    cause.code === errors.JOSEError.code
  return unavailable ? new AppError('auth_unavailable', { cause }) : unauthorized(cause)
}

function callerOf(claims: JWTPayload, accessToken: string): Caller {
  const { sub, session_id: sessionId, organization_id: organizationId } = claims
  if (typeof sub !== 'string' || !uuid.test(sub)) throw unauthorized('sub is not a uuid')
  if (typeof sessionId !== 'string' || !uuid.test(sessionId)) {
    throw unauthorized('session_id is not a uuid')
  }
  // An early refusal only: the database decides whether the membership is active.
  const isText = typeof organizationId === 'string' || typeof organizationId === 'number'
  if (!isText || !organization.test(`${organizationId}`)) throw new AppError('no_organization')
  const isGuest = claims.organization_role === 'guest'
  return { userId: sub, sessionId, organizationId: Number(organizationId), isGuest, accessToken }
}

/** A key that was added since the worker started is at the endpoint, which is asked twice a minute at most. */
function firstOf(local: JWTVerifyGetKey, askEndpoint: JWTVerifyGetKey): JWTVerifyGetKey {
  return async (header, token) => {
    try {
      return await local(header, token)
    } catch (error) {
      const isNew = error instanceof errors.JWKSNoMatchingKey && header.kid !== undefined
      if (!isNew || header.alg === 'HS256') throw error
      return askEndpoint(header, token)
    }
  }
}

function localKeys(keys: readonly JWK[]): JWTVerifyGetKey {
  const imported = new Map<JWK, Promise<CryptoKey | Uint8Array>>()
  const importOnce = (jwk: JWK, algorithm: string) => {
    const known = imported.get(jwk) ?? importJWK(jwk, algorithm)
    imported.set(jwk, known)
    return known
  }
  return async ({ alg, kid }) => {
    const rule = algorithms.find(([algorithm]) => algorithm === alg)
    const usable = keys.filter(
      (jwk) =>
        rule?.[1] === jwk.kty &&
        rule?.[2] === jwk.crv &&
        (jwk.alg === undefined || jwk.alg === alg) &&
        (jwk.use === undefined || jwk.use === 'sig') &&
        (kid === undefined || jwk.kid === undefined || jwk.kid === kid),
    )
    const [key] = usable
    if (!key) throw new errors.JWKSNoMatchingKey()
    if (usable.length > 1) throw new errors.JWKSMultipleMatchingKeys()
    return importOnce(key, alg)
  }
}

/** RFC 6750, section 3: `invalid_token` only when there was one. */
function unauthorized(cause?: unknown): AppError {
  const challenge = 'Bearer realm="colloquy"'
  return new AppError('unauthorized', {
    ...(cause !== undefined && { cause }),
    headers: {
      'www-authenticate': cause === undefined ? challenge : `${challenge}, error="invalid_token"`,
    },
  })
}
