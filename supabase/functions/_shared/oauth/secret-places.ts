import type { Place } from '../crypto/seal.ts'
import type { ClientRow } from './rows.ts'

// A place names its row by values that are known before the row is written. private.sealed_values
// uses the same names.

/** The place of a configuration's bearer token. */
export function bearerTokenPlace(organizationId: number, configurationId: number): Place {
  const row = String(configurationId)
  return { table: 'private.mcp_bearer_tokens', organizationId, row, column: 'bearer_token' }
}

/** The place of a key in a header: the organization's, or one person's (its `userId`). */
export function headerKeyPlace(
  organizationId: number,
  configurationId: number,
  userId: string | null,
  name: string,
): Place {
  const row = `${configurationId} ${userId ?? 'organization'} ${name}`
  return { table: 'private.mcp_header_keys', organizationId, row, column: 'sealed_value' }
}

/** The place of a secret of an authorization under way. */
export function statePlace(
  organizationId: number,
  stateHash: string,
  column: 'code_verifier' | 'code',
): Place {
  return { table: 'public.oauth_states', organizationId, row: stateHash, column }
}

/** A person's connection by one configuration. */
export interface ConnectionKey {
  readonly organizationId: number
  readonly userId: string
  readonly configurationId: number
}

/** Where a token of a connection is sealed. */
export function tokenPlace(
  { organizationId, userId, configurationId }: ConnectionKey,
  column: 'access_token' | 'refresh_token',
): Place {
  const row = `${userId}/${configurationId}`
  return { table: 'public.mcp_oauth_tokens', organizationId, row, column }
}

/** The place of the secret of a client at an issuer. */
export function clientSecretPlace(
  organizationId: number,
  client: Pick<ClientRow, 'source' | 'issuer' | 'redirect_uri' | 'client_id'>,
): Place {
  const { source, issuer, redirect_uri: redirectUri, client_id: clientId } = client
  const row = [source, issuer, ...(redirectUri === null ? [] : [redirectUri]), clientId].join(' ')
  return { table: 'private.oauth_client_secrets', organizationId, row, column: 'client_secret' }
}
