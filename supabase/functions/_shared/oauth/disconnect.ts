import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { open, OpenError } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import { openClient } from './client.ts'
import { kindOf } from './failure.ts'
import { tokenPlace } from './places.ts'
import { revokeTokens } from './revoke-tokens.ts'
import { deletedConnection } from './rows.ts'
import type { OAuthDependencies } from './settings.ts'

const ownConnection = z.object({
  organization_id: z.number(),
  id: z.number(),
  user_id: z.string(),
  mcp_configuration_id: z.number(),
})

/**
 * Finds one of the caller's connections.
 * @throws AppError `connection_not_found`
 */
export async function openConnection(
  { database }: OAuthDependencies,
  caller: Caller,
  id: number,
): Promise<z.infer<typeof ownConnection>> {
  const db = database.forCaller(caller.accessToken)
  return ownConnection.parse(await db.call('open_mcp_connection', { id }))
}

export interface Disconnected {
  readonly id: number
  /** Whether the issuer has revoked the tokens; null when it has no revocation endpoint. */
  readonly revoked: boolean | null
}

/**
 * Ends a connection: always deletes it here first, then tries to revoke its tokens at the issuer.
 * @throws AppError `connection_not_found`
 */
export async function disconnect(
  deps: OAuthDependencies,
  caller: Caller,
  id: number,
): Promise<Disconnected> {
  const { organization_id, user_id } = await openConnection(deps, caller, id)
  const gone = deletedConnection
    .nullable()
    .parse(
      await deps.database.admin.call('delete_mcp_connection', { organization_id, id, user_id }),
    )
  if (gone === null) throw new AppError('connection_not_found')
  return { id, revoked: await revoke(deps, gone) }
}

async function revoke(
  deps: OAuthDependencies,
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
