import { readKeyset } from '../crypto/keyset.ts'
import type { Database } from '../database.ts'
import type { Env } from '../env.ts'
import type { Log } from '../log/log.ts'
import { createOutboundFetch } from '../outbound/outbound.ts'
import { readRedirectAllowList } from './redirect-allow-list.ts'
import type { OAuthDependencies } from './settings.ts'

/**
 * What connections need, from the variables.
 * @throws Error when a variable is missing or of no use: better no start than a start that fails later
 */
export async function createOAuth(
  env: Env,
  database: Database,
  log: Log,
): Promise<OAuthDependencies> {
  const keyset = await readKeyset(env.tokenEncryptionKeys)
  const redirects = readRedirectAllowList(env.oauthRedirectAllowList)
  const publicUrl = env.oauthPublicUrl ?? `${env.supabaseUrl}/functions/v1/oauth`
  const allowLoopback = env.localStack
  return {
    database,
    keyset,
    settings: {
      callbackUrl: `${publicUrl}/callback`,
      clientMetadataUrl: `${publicUrl}/client-metadata.json`,
      redirects,
      allowLoopback,
    },
    outbound: (allowedHosts) => createOutboundFetch({ allowLoopback, allowedHosts }),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    random: Math.random,
    now: Date.now,
    log,
  }
}
