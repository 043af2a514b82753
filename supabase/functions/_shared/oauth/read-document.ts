import { isRecord, stringOf } from '../json.ts'

type Fields = Readonly<Record<string, unknown>>

/** Metadata of an authorization server (RFC 8414), as far as we use it. */
export interface IssuerDocument {
  readonly issuer: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly response_types_supported: string[]
  readonly registration_endpoint?: string
  readonly revocation_endpoint?: string
  readonly scopes_supported?: string[]
  readonly code_challenge_methods_supported?: string[]
  readonly token_endpoint_auth_methods_supported?: string[]
  readonly revocation_endpoint_auth_methods_supported?: string[]
  readonly authorization_response_iss_parameter_supported?: boolean
  readonly client_id_metadata_document_supported?: boolean
}

/** Metadata of a protected resource (RFC 9728), as far as we use it. */
export interface ResourceDocument {
  readonly resource: string
  readonly authorization_servers: string[]
  readonly scopes_supported?: string[]
}

const endpoints = ['registration_endpoint', 'revocation_endpoint'] as const
const lists = [
  'scopes_supported',
  'code_challenge_methods_supported',
  'token_endpoint_auth_methods_supported',
  'revocation_endpoint_auth_methods_supported',
] as const
const flags = [
  'authorization_response_iss_parameter_supported',
  'client_id_metadata_document_supported',
] as const
const longestText = 2_048
const longestList = 1_000

/**
 * Reads the fields that we use: null, an empty text and a value of another type are absent, other
 * fields are ignored. What is missing, when one that is needed is absent.
 */
export function readIssuerDocument(value: unknown): IssuerDocument | string {
  if (!isRecord(value)) return 'no object'
  const issuer = textOf(value, 'issuer')
  const authorization = addressOf(value, 'authorization_endpoint')
  const token = addressOf(value, 'token_endpoint')
  if (issuer === null) return 'no issuer'
  if (authorization === null) return 'no authorization_endpoint'
  if (token === null) return 'no token_endpoint'
  return {
    issuer,
    authorization_endpoint: authorization,
    token_endpoint: token,
    response_types_supported: listOf(value, 'response_types_supported') ?? ['code'],
    ...present(endpoints, (name) => addressOf(value, name)),
    ...present(lists, (name) => listOf(value, name)),
    ...present(flags, (name) => (typeof value[name] === 'boolean' ? value[name] : null)),
  }
}

export function readResourceDocument(value: unknown): ResourceDocument | string {
  if (!isRecord(value)) return 'no object'
  const resource = textOf(value, 'resource')
  if (resource === null) return 'no resource'
  return {
    resource,
    authorization_servers: listOf(value, 'authorization_servers') ?? [],
    ...present(['scopes_supported'], (name) => listOf(value, name)),
  }
}

function textOf(fields: Fields, name: string): string | null {
  const text = stringOf(fields[name])
  return text !== null && text.length <= longestText ? text : null
}

/** Whether the address may be used is judged later; one of another kind is none. */
function addressOf(fields: Fields, name: string): string | null {
  const text = textOf(fields, name)
  const isAddress = text !== null && /^https?:/i.test(text) && URL.canParse(text)
  return isAddress ? text : null
}

function listOf(fields: Fields, name: string): string[] | null {
  const value = fields[name]
  // Some write a single value where a list was to be.
  const given = typeof value === 'string' && value !== '' ? [value] : value
  if (!Array.isArray(given)) return null
  return (given as unknown[])
    .slice(0, longestList)
    .filter((item) => typeof item === 'string')
    .filter((item) => item !== '' && item.length <= longestText)
}

function present<Name extends string, Value>(
  names: readonly Name[],
  read: (name: Name) => Value | null,
): { [Key in Name]?: Value } {
  const entries = names.flatMap((name) => {
    const value = read(name)
    return value === null ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries) as { [Key in Name]?: Value }
}
