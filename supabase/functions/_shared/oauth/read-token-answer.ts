import { isRecord, stringOf } from '../json.ts'

/** Tokens as they are stored, not yet sealed. */
export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string | null
  readonly scope: string | null
  /** Seconds from now; null when the issuer did not say. */
  readonly expiresIn: number | null
}

/** What the answer of a token or registration endpoint is. */
export type TokenAnswer =
  | { readonly tokens: Tokens }
  /** RFC 6749, section 5.2, whatever the status was; the code as far as it is one. */
  | { readonly error: string }
  /** Tokens that cannot be used, and what of them has to be given back. */
  | { readonly unusable: string; readonly received: Pick<Tokens, 'accessToken' | 'refreshToken'> }
  | { readonly unusable: string; readonly received?: never }

const longestToken = 16_384
const longestScope = 4_096
const tenYears = 10 * 365 * 24 * 60 * 60

/** Reads a token answer: null is absent, a number may be a text, other fields are ignored. */
export function readTokenAnswer(value: unknown): TokenAnswer {
  if (!isRecord(value)) return { unusable: 'no object' }
  const accessToken = stringOf(value['access_token'])
  const refreshToken = stringOf(value['refresh_token'])
  const error = errorCodeOf(value)
  if (accessToken === null) return error === null ? { unusable: 'no access token' } : { error }
  const received = { accessToken, refreshToken }
  // RFC 6750, section 2.1: what cannot stand in the header cannot be used.
  const type = value['token_type']
  const isBearer =
    type === undefined ||
    type === null ||
    (typeof type === 'string' && ['', 'bearer'].includes(type.trim().toLowerCase()))
  if (!isBearer || !/^[\x21-\x7e]+$/.test(accessToken)) {
    return { unusable: 'not a bearer token', received }
  }
  if (accessToken.length > longestToken || (refreshToken?.length ?? 0) > longestToken) {
    return { unusable: 'a token that is too long', received }
  }
  const scope = scopeOf(value['scope'])
  return { tokens: { ...received, scope, expiresIn: secondsOf(value['expires_in']) } }
}

/** The code of an error (RFC 6749, section 5.2; RFC 7591, section 3.2.2), as far as it is one. */
export function errorCodeOf(value: unknown): string | null {
  const error = isRecord(value) ? value['error'] : undefined
  // Some put an object there, with the code in it.
  const code = isRecord(error) ? (error['code'] ?? error['type']) : error
  if (code === undefined || code === null || code === '' || code === false) return null
  return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? code : 'unnamed_error'
}

function scopeOf(value: unknown): string | null {
  const text = Array.isArray(value)
    ? value.filter((item) => typeof item === 'string').join(' ')
    : stringOf(value)
  return text?.slice(0, longestScope) || null
}

function secondsOf(value: unknown): number | null {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  // Some write 0 for tokens without an end, and -1. A token that is over is refused, and then refreshed.
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds <= 0) return null
  return Math.min(Math.max(1, Math.floor(seconds)), tenYears)
}
