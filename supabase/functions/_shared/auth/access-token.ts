import {
  createRemoteJWKSet,
  errors,
  importJWK,
  jwtVerify,
  type CryptoKey,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import { AppError } from '../errors.ts'

/** Who calls, as their access token says. The database decides what they may do. */
export interface Caller {
  readonly userId: string
  /** The auth session's id, which the database looks up in user_sessions. */
  readonly sessionId: string
  /** The active organization as the token has it. */
  readonly organizationId: number
  /** The token as received, to act in the caller's name. */
  readonly accessToken: string
}

export interface AccessTokenOptions {
  /** Origin of the project; the issuer is its `/auth/v1`. */
  readonly supabaseUrl: string
  /** The platform's keys from SUPABASE_JWKS; null means: ask the issuer's key endpoint. */
  readonly jwks: { readonly keys: readonly JWK[] } | null
  readonly now?: () => Date
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
 * @throws AppError `unauthorized`, `no_organization`, or `auth_unavailable` when keys cannot be read
 */
export function createAccessTokenVerifier(options: AccessTokenOptions): VerifyAccessToken {
  const issuer = `${options.supabaseUrl}/auth/v1`
  const findKey = options.jwks
    ? localKeys(options.jwks.keys)
    : createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  return async (headers) => {
    const accessToken = bearerToken(headers)
    const claims = await verify(accessToken, findKey, {
      issuer,
      audience: 'authenticated',
      algorithms: algorithms.map(([algorithm]) => algorithm),
      requiredClaims: ['exp', 'sub', 'session_id', 'role'],
      ...(options.now && { currentDate: options.now() }),
    })
    return callerOf(claims, accessToken)
  }
}

function bearerToken(headers: Headers): string {
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  if (token === undefined) throw unauthorized()
  return token
}

async function verify(
  token: string,
  findKey: JWTVerifyGetKey,
  options: NonNullable<Parameters<typeof jwtVerify>[2]>,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, findKey, options)).payload
  } catch (cause) {
    // What is not a verdict on the token is a failure to get the keys, and no reason to sign out.
    const unavailable =
      !(cause instanceof errors.JOSEError) ||
      cause instanceof errors.JWKSTimeout ||
      cause instanceof errors.JWKSInvalid ||
      cause.code === errors.JOSEError.code
    if (unavailable) throw new AppError('auth_unavailable', { cause })
    throw unauthorized(cause)
  }
}

function callerOf(claims: JWTPayload, accessToken: string): Caller {
  const { sub, session_id: sessionId, role, organization_id: organizationId } = claims
  if (role !== 'authenticated') throw unauthorized('the role is not authenticated')
  if (typeof sub !== 'string' || !uuid.test(sub)) throw unauthorized('sub is not a uuid')
  if (typeof sessionId !== 'string' || !uuid.test(sessionId)) {
    throw unauthorized('session_id is not a uuid')
  }
  // An early answer only: whether the membership still holds is decided in the database.
  const isText = typeof organizationId === 'string' || typeof organizationId === 'number'
  if (!isText || !organization.test(`${organizationId}`)) throw new AppError('no_organization')
  return { userId: sub, sessionId, organizationId: Number(organizationId), accessToken }
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
