import * as z from 'zod'
import { revokeConnection, type RevocationDependencies } from './revoke-connection.ts'
import { endedConnection } from './rows.ts'

/** Milliseconds for each token. */
const patience = 5_000

/**
 * Revokes the tokens of ended connections at their issuers.
 * @param claimed what `claim_mcp_revocations` answered; each is due again later
 * @throws the first failure of ours, once all have been tried; one of an issuer is logged
 */
export async function revokeEndedConnections(
  deps: RevocationDependencies,
  claimed: unknown,
): Promise<void> {
  const connections = z.array(endedConnection).parse(claimed)
  const tried = await Promise.allSettled(
    connections.map((ended) => revokeConnection(deps, ended, patience)),
  )
  for (const one of tried) if (one.status === 'rejected') throw one.reason
}
