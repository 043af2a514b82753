import type * as z from 'zod'
import { open, OpenError } from '../crypto/seal.ts'
import { openClient } from './client.ts'
import { kindOf } from './failure.ts'
import { tokenPlace } from './secret-places.ts'
import { revokeTokens } from './revoke-tokens.ts'
import type { deletedConnection } from './rows.ts'
import type { CredentialDependencies } from './dependencies.ts'

/**
 * Tries to revoke the tokens of a connection that is deleted or replaced, with the client that they
 * were issued to.
 * @returns as revokeTokens() does
 */
export async function revokeConnection(
  deps: Pick<CredentialDependencies, 'keyset' | 'outbound' | 'log'>,
  gone: z.infer<typeof deletedConnection>,
): Promise<boolean | null> {
  const { organization_id: organizationId, refresh_token: refreshToken } = gone
  const key = { organizationId, userId: gone.user_id, configurationId: gone.mcp_configuration_id }
  try {
    const client = await openClient(deps.keyset, organizationId, gone.client, gone.client_id)
    const fetch = deps.outbound(gone.allowed_hosts)
    return await revokeTokens(
      deps,
      { metadata: gone.server_metadata, client, fetch },
      {
        accessToken: await open(deps.keyset, tokenPlace(key, 'access_token'), gone.access_token),
        refreshToken:
          refreshToken && (await open(deps.keyset, tokenPlace(key, 'refresh_token'), refreshToken)),
      },
    )
  } catch (error) {
    if (!(error instanceof OpenError)) throw error
    deps.log({ level: 'error', event: 'revocation_failed', detail: kindOf(error) })
    return false
  }
}
