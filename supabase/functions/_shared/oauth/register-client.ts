import { AppError } from '../errors.ts'
import { isRecord, stringOf } from '../json.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import type { Clock } from '../time.ts'
import { clientMetadata, type TokenEndpointAuthMethod } from './client-metadata.ts'
import { authorizationServerFailure, busyFailure } from './failure.ts'
import type { IssuerDocument } from './read-document.ts'
import { errorCodeOf } from './read-token-answer.ts'
import { withinOrigin } from './within-origin.ts'

/** What a registration brought. */
export interface RegisteredClient {
  readonly clientId: string
  readonly clientSecret: string | null
  readonly authMethod: TokenEndpointAuthMethod | null
  /** Seconds since the epoch; null: never. */
  readonly secretExpiresAt: number | null
}

export interface RegistrationDependencies {
  readonly fetch: OutboundFetch
  readonly clock: Clock
}

export interface Registration {
  readonly document: IssuerDocument
  readonly redirectUri: string
  /** What will be asked for; some servers want to hear it beforehand. */
  readonly scope: string | undefined
}

const authMethods = ['client_secret_basic', 'client_secret_post', 'none'] as const
const longest = 4_096

/**
 * Registers a client (RFC 7591). A server that refuses what it need not know of us is asked once more
 * with the least, and with the scopes that it may want.
 * @throws AppError `registration_failed` with the server's own code, and what a request fails with
 */
export async function registerClient(
  deps: RegistrationDependencies,
  { document, redirectUri, scope }: Registration,
): Promise<RegisteredClient> {
  const supported = document.token_endpoint_auth_methods_supported
  const preferred = authMethods.find((method) => supported?.includes(method) ?? true) ?? 'none'
  const all = clientMetadata(redirectUri, preferred)
  const { application_type: _, ...least } = all
  const first = await ask(deps, document, all)
  const mayBeOff = [400, 422].includes(first.status) && first.error !== 'invalid_redirect_uri'
  const answer = mayBeOff
    ? await ask(deps, document, { ...least, ...(scope !== undefined && { scope }) })
    : first
  if (answer.client) return answer.client
  const { status, error } = answer
  throw new AppError('registration_failed', {
    message: whatHelps(error, redirectUri),
    ...(error !== null && { details: { error } }),
    cause: `${error ?? 'no client'} (${status})`,
  })
}

interface Answer {
  readonly status: number
  readonly error: string | null
  readonly client: RegisteredClient | null
}

async function ask(
  { fetch, clock }: RegistrationDependencies,
  { registration_endpoint: endpoint = '' }: IssuerDocument,
  metadata: object,
): Promise<Answer> {
  let response: Response
  let text: string
  try {
    response = await withinOrigin(fetch)(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(metadata),
    })
    text = await response.text()
  } catch (error) {
    throw authorizationServerFailure(error)
  }
  const { status, ok } = response
  if (status === 429) throw busyFailure(response.headers, clock, 'registration (429)')
  if (status >= 500) {
    throw new AppError('authorization_server_unreachable', { cause: `registration (${status})` })
  }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined // No JSON, and so no client.
  }
  return { status, error: errorCodeOf(body), client: ok ? readClient(body) : null }
}

/** Null is absent, and a secret of a public client is none. */
function readClient(body: unknown): RegisteredClient | null {
  if (!isRecord(body)) return null
  const given = body['client_id']
  const clientId = Number.isSafeInteger(given) ? String(given) : stringOf(given)
  if (clientId === null || clientId.length > longest) return null
  const method = stringOf(body['token_endpoint_auth_method'])
  const authMethod = authMethods.find((name) => name === method) ?? null
  if (method !== null && authMethod === null) {
    throw new AppError('registration_failed', { cause: 'an authentication method we do not have' })
  }
  const clientSecret = stringOf(body['client_secret'])
  const expiry = Number(body['client_secret_expires_at'] ?? 0)
  return {
    clientId,
    clientSecret: clientSecret?.slice(0, longest) ?? null,
    authMethod,
    // 0 means never (RFC 7591, section 3.2.1).
    secretExpiresAt: clientSecret !== null && expiry > 0 && expiry < 1e11 ? expiry : null,
  }
}

/** A sentence with a way out; the way is the same, what stands in it differs. */
function whatHelps(error: string | null, redirectUri: string): string {
  const reason =
    error === 'invalid_redirect_uri'
      ? 'The authorization server does not accept our redirect URI.'
      : 'The authorization server refused to register a client.'
  return `${reason} A manager can enter a client that is registered there with the redirect URI ${redirectUri}`
}
