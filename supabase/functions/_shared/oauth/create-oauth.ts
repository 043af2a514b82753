import { openKeyset } from '../crypto/keyset.ts'
import type { Database } from '../database.ts'
import type { Env } from '../env.ts'
import { createProblemReport, type Log } from '../log/log.ts'
import { createOutboundFetch } from '../outbound/outbound.ts'
import { systemClock } from '../time.ts'
import { openRedirectAllowList } from './redirect-allow-list.ts'
import type { OAuthDependencies } from './dependencies.ts'

/**
 * The dependencies of connections, from the variables: a missing or wrong variable fails only the
 * code that uses it.
 */
export async function createOAuth(
  env: Env,
  database: Database,
  log: Log,
): Promise<OAuthDependencies> {
  const report = createProblemReport(log)
  const keyset = await openKeyset(env.tokenEncryptionKeys, report)
  const redirects = openRedirectAllowList(env.oauthRedirectAllowList, report)
  const allowLoopback = env.localStack
  return {
    database,
    keyset,
    settings: {
      get callbackUrl() {
        return `${env.oauthPublicUrl}/callback`
      },
      get clientMetadataUrl() {
        return `${env.oauthPublicUrl}/client-metadata.json`
      },
      redirects,
      allowLoopback,
    },
    outbound: (allowedHosts) => createOutboundFetch({ allowLoopback, allowedHosts }),
    clock: systemClock,
    random: Math.random,
    log,
  }
}
