import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { AppError } from '../errors.ts'
import { revokeConnection } from './revoke-connection.ts'
import { endedConnection } from './rows.ts'
import type { OAuthDependencies } from './dependencies.ts'

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
  /**
   * Whether the issuer has revoked the tokens. false: not yet, and the backend tries again; null:
   * there is nothing to revoke, or the issuer has no revocation endpoint.
   */
  readonly revoked: boolean | null
}

const deleted = z.object({ revocation: endedConnection.nullable() }).nullable()
/** Milliseconds that a person waits for each token; a later try is made without the person. */
const patience = 1_000

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
  const ended = deleted.parse(
    await deps.database.admin.call('delete_mcp_connection', { organization_id, id, user_id }),
  )
  if (ended === null) throw new AppError('connection_not_found')
  const { revocation } = ended
  if (revocation === null) return { id, revoked: null }
  return { id, revoked: await revokeConnection(deps, revocation, patience) }
}
