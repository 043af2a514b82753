import { IssuerMismatchError, OAuthError } from '@modelcontextprotocol/client'
import { AppError, type ErrorCode } from '../errors.ts'
import { parseRetryAfter } from '../models/retry-after.ts'
import { OutboundError } from '../outbound/error.ts'
import type { Clock } from '../time.ts'

/**
 * The public part of a failure: kinds and codes, no message. Messages of protocol libraries quote
 * bodies, and the body of a token endpoint holds tokens.
 */
export function kindOf(error: unknown): string {
  if (error instanceof OutboundError) return `${error.name} ${error.reason}`
  if (error instanceof OAuthError)
    return `${error.name} ${/^\w{1,40}$/.exec(error.code)?.[0] ?? ''}`
  return error instanceof Error ? error.name : typeof error
}

/** Makes an AppError of a failed request; an AppError stays as it is. */
export function failure(
  error: unknown,
  codes: { readonly unreachable: ErrorCode; readonly otherwise: ErrorCode },
): AppError {
  if (error instanceof AppError) return error
  const cause = kindOf(error)
  if (error instanceof OutboundError) {
    const refused =
      error.reason === 'forbidden_url' ||
      error.reason === 'forbidden_address' ||
      error.reason === 'host_not_allowed' ||
      error.reason === 'forbidden_redirect'
    if (refused) return new AppError('address_not_allowed', { cause })
    const answered = error.reason === 'too_large' || error.reason === 'unsupported_encoding'
    return new AppError(answered ? codes.otherwise : codes.unreachable, { cause })
  }
  if (error instanceof IssuerMismatchError) return new AppError('issuer_mismatch', { cause })
  return new AppError(codes.otherwise, { cause })
}

/** An authorization server that is over its limit, and when it wants to be asked again. */
export function busyFailure(headers: Headers, clock: Clock, cause: string): AppError {
  const wait = parseRetryAfter(headers, clock.now())
  return new AppError('authorization_server_busy', {
    cause,
    headers: { 'retry-after': String(Math.ceil((wait ?? 30_000) / 1_000)) },
  })
}

/** For requests to an authorization server. */
export function authorizationServerFailure(error: unknown): AppError {
  return failure(error, {
    unreachable: 'authorization_server_unreachable',
    otherwise: 'authorization_server_error',
  })
}
