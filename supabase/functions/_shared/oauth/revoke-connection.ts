import { open, OpenError } from '../crypto/seal.ts'
import { openClient } from './client.ts'
import { kindOf } from './failure.ts'
import { tokenPlace } from './secret-places.ts'
import { revokeTokens } from './revoke-tokens.ts'
import type { EndedConnection } from './rows.ts'
import type { CredentialDependencies } from './dependencies.ts'

export type RevocationDependencies = Pick<
  CredentialDependencies,
  'database' | 'keyset' | 'outbound' | 'log'
>

/**
 * Tries to revoke the tokens of an ended connection, with the client that they were issued to, and
 * deletes them when the issuer has accepted. Otherwise they are due again later.
 * @param patience milliseconds for each token
 * @returns as revokeTokens() does
 */
export async function revokeConnection(
  deps: RevocationDependencies,
  ended: EndedConnection,
  patience: number,
): Promise<boolean | null> {
  const { organization_id, id, refresh_token: refreshToken } = ended
  const key = {
    organizationId: organization_id,
    userId: ended.user_id,
    configurationId: ended.mcp_configuration_id,
  }
  let revoked: boolean | null
  try {
    const client = await openClient(deps.keyset, organization_id, ended.client, ended.client_id)
    const fetch = deps.outbound(ended.allowed_hosts)
    revoked = await revokeTokens(
      deps,
      { metadata: ended.server_metadata, client, fetch },
      {
        accessToken: await open(deps.keyset, tokenPlace(key, 'access_token'), ended.access_token),
        refreshToken:
          refreshToken && (await open(deps.keyset, tokenPlace(key, 'refresh_token'), refreshToken)),
      },
      patience,
    )
  } catch (error) {
    if (!(error instanceof OpenError)) throw error
    deps.log({ level: 'error', event: 'revocation_failed', detail: kindOf(error) })
    return false
  }
  if (revoked !== false) {
    await deps.database.admin.call('end_mcp_revocation', { organization_id, id })
  }
  return revoked
}
