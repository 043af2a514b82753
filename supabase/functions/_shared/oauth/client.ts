import type { OAuthClientInformationFull } from '@modelcontextprotocol/client'
import { open } from '../crypto/seal.ts'
import type { Keyset } from '../crypto/keyset.ts'
import type { TokenEndpointAuthMethod } from './client-metadata.ts'
import { clientSecretPlace } from './secret-places.ts'
import type { ClientRow } from './rows.ts'

/** Our credentials at one issuer. */
export interface OAuthClient {
  readonly clientId: string
  readonly clientSecret: string | undefined
  /** null: whatever the issuer supports. */
  readonly authMethod: TokenEndpointAuthMethod | null
  /** Row of the client; null for a client id metadata document, which is nobody's row. */
  readonly row: Pick<ClientRow, 'id' | 'source'> | null
}

/** The client whose id is the address of its metadata document. */
export function documentClient(clientMetadataUrl: string): OAuthClient {
  return { clientId: clientMetadataUrl, clientSecret: undefined, authMethod: 'none', row: null }
}

/**
 * The client of a row, its secret opened; without a row the one with this metadata document.
 * @throws OpenError
 */
export async function openClient(
  keyset: Keyset,
  organizationId: number,
  row: ClientRow | null,
  clientId: string,
): Promise<OAuthClient> {
  if (row === null) return documentClient(clientId)
  const place = clientSecretPlace(organizationId, row)
  const secret =
    row.client_secret === null ? undefined : await open(keyset, place, row.client_secret)
  return {
    clientId: row.client_id,
    clientSecret: secret,
    authMethod: row.token_endpoint_auth_method,
    row: { id: row.id, source: row.source },
  }
}

/** The client as the protocol library takes it. */
export function clientInformation(
  client: OAuthClient,
): Pick<OAuthClientInformationFull, 'client_id' | 'client_secret'> {
  return {
    client_id: client.clientId,
    ...(client.clientSecret !== undefined && { client_secret: client.clientSecret }),
  }
}
