import { AppError } from '../errors.ts'
import { OutboundError } from '../outbound/error.ts'
import { checkTarget } from '../outbound/target.ts'
import type { IssuerDocument } from './read-document.ts'
import type { ServerMetadata } from './rows.ts'

/** The checked metadata of an issuer. */
export interface IssuerMetadata {
  /** As published, for the protocol library. */
  readonly document: IssuerDocument
  /** The part that authorizations and connections store. */
  readonly kept: ServerMetadata
}

export interface IssuerRules {
  /** Allowed issuers that do not declare S256. */
  readonly pkce_exceptions: readonly string[]
  readonly allowed_hosts: readonly string[] | null
  readonly allowLoopback: boolean
}

/**
 * Checks what the library does not check: S256 must be declared, and each endpoint must be an
 * allowed address, also the one that only a browser opens. The addresses of a name are checked when
 * the function dials.
 * @throws AppError `authorization_not_supported`, `pkce_not_supported`, `address_not_allowed`
 */
export function checkIssuerMetadata(document: IssuerDocument, rules: IssuerRules): IssuerMetadata {
  if (!document.response_types_supported.includes('code')) {
    throw new AppError('authorization_not_supported', { cause: 'no response type code' })
  }
  const methods = document.code_challenge_methods_supported
  const excepted = methods === undefined && rules.pkce_exceptions.includes(document.issuer)
  if (!excepted && methods?.includes('S256') !== true) throw new AppError('pkce_not_supported')

  const {
    issuer,
    authorization_endpoint,
    token_endpoint,
    response_types_supported,
    token_endpoint_auth_methods_supported: tokenMethods,
    authorization_response_iss_parameter_supported: sendsIssuer,
    revocation_endpoint: revocation,
    revocation_endpoint_auth_methods_supported: revocationMethods,
    registration_endpoint: registration,
  } = document
  const endpoints = [authorization_endpoint, token_endpoint, revocation, registration]
  for (const endpoint of endpoints) if (endpoint !== undefined) checkEndpoint(endpoint, rules)
  return {
    document,
    kept: {
      issuer,
      authorization_endpoint,
      token_endpoint,
      response_types_supported,
      ...(revocation !== undefined && { revocation_endpoint: revocation }),
      ...(tokenMethods && { token_endpoint_auth_methods_supported: tokenMethods }),
      ...(revocationMethods && { revocation_endpoint_auth_methods_supported: revocationMethods }),
      ...(sendsIssuer !== undefined && {
        authorization_response_iss_parameter_supported: sendsIssuer,
      }),
    },
  }
}

function checkEndpoint(endpoint: string, rules: IssuerRules): void {
  const { allowLoopback, allowed_hosts: allowedHosts } = rules
  try {
    checkTarget(endpoint, { allowLoopback, allowedHosts })
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error
    throw new AppError('address_not_allowed', { cause: error.reason })
  }
}
