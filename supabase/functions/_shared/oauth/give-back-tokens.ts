import { toAppError } from '../errors.ts'
import type { ConnectionKey } from './secret-places.ts'
import type { Tokens } from './read-token-answer.ts'
import { revokeTokens } from './revoke-tokens.ts'
import { sealTokens } from './sealed-tokens.ts'
import type { CredentialDependencies } from './dependencies.ts'
import type { TokenRequest } from './token-request.ts'

/**
 * Gives back received tokens that belong to no connection: stores them for their revocation, so that
 * nobody waits for the issuer. When they cannot be stored, it revokes them at once.
 */
export async function giveBackTokens(
  deps: Pick<CredentialDependencies, 'database' | 'keyset' | 'log'>,
  { organizationId, userId, configurationId }: ConnectionKey,
  request: Pick<TokenRequest, 'metadata' | 'client' | 'fetch'>,
  received: Tokens,
): Promise<void> {
  const key = { organizationId, userId, configurationId }
  const { metadata, client } = request
  try {
    const { access_token, refresh_token } = await sealTokens(deps.keyset, key, received)
    await deps.database.admin.call('queue_mcp_revocation', {
      organization_id: organizationId,
      user_id: userId,
      mcp_configuration_id: configurationId,
      tokens: {
        issuer: metadata.issuer,
        client_id: client.clientId,
        oauth_client_id: client.row?.id ?? null,
        server_metadata: metadata,
        access_token,
        refresh_token,
      },
    })
  } catch (error) {
    const { code } = toAppError(error)
    deps.log({ level: 'error', event: 'revocation_not_stored', code })
    await revokeTokens(deps, request, received)
  }
}
