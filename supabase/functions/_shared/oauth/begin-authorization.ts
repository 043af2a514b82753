import { startAuthorization } from '@modelcontextprotocol/client'
import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { seal } from '../crypto/seal.ts'
import { randomSecret, sha256Hex } from '../crypto/secret.ts'
import { withDeadline } from '../outbound/outbound.ts'
import { redirectUriOf } from './client-metadata.ts'
import { clientInformation } from './client.ts'
import { openOAuthConfiguration, withWholeEndpoint } from './open-configuration.ts'
import { discover } from './discover.ts'
import { authorizationServerFailure } from './failure.ts'
import { findClient } from './find-client.ts'
import { statePlace } from './secret-places.ts'
import { scopeToRequest } from './scope.ts'
import type { OAuthDependencies } from './dependencies.ts'

const patience = 30_000

/** Body of `POST /oauth/connections`. */
export const authorizationSchema = z.strictObject({
  mcp_configuration_id: z.int().positive(),
  redirect_to: z.string().max(2048),
})

export interface BegunAuthorization {
  /** Where the client sends its user's browser. */
  readonly authorization_url: string
  /** End of the authorization, ISO 8601. */
  readonly expires_at: string
}

/**
 * Begins the authorization of a connection: finds the issuer, has a client there, and stores the
 * state that binds user, organization, configuration, issuer and `redirect_to`.
 * @throws AppError
 */
export async function beginAuthorization(
  deps: OAuthDependencies,
  caller: Caller,
  body: z.infer<typeof authorizationSchema>,
): Promise<BegunAuthorization> {
  const { database, settings, keyset } = deps
  const redirectTo = settings.redirects.check(body.redirect_to)
  const db = database.forCaller(caller.accessToken)
  const configuration = await openOAuthConfiguration(db, body.mcp_configuration_id)
  const { organization_id: organizationId, endpoint } = configuration
  // One deadline for all steps: a server that is slow at each step must not delay its client at all
  // of them.
  const fetch = withDeadline(deps.outbound(configuration.allowed_hosts), patience)

  const found = await discover(
    fetch,
    await withWholeEndpoint(deps, configuration),
    settings.allowLoopback,
  )
  const { document, kept } = found.metadata
  const asked = configuration.oauth_resource ?? found.resource
  const resource = asked === '' ? null : asked
  const scope = scopeToRequest({
    asked: found.scope,
    granted: configuration.scope,
    required: configuration.required_scope,
    supported: document.scopes_supported,
  })
  const whose = { organizationId, userId: caller.userId }
  const client = await findClient(deps, fetch, whose, found.metadata, scope)
  const redirectUri =
    client.row === null ? settings.callbackUrl : await redirectUriOf(settings, kept.issuer)
  const state = randomSecret()
  const { authorizationUrl, codeVerifier } = await startAuthorization(kept.issuer, {
    metadata: { ...document },
    clientInformation: clientInformation(client),
    redirectUrl: redirectUri,
    state,
    ...(resource !== null && { resource }),
    ...(scope !== undefined && { scope }),
  }).catch((error: unknown) => {
    throw authorizationServerFailure(error)
  })
  const stateHash = await sha256Hex(state)
  const place = statePlace(organizationId, stateHash, 'code_verifier')
  const expiresAt = await database.admin.call('create_oauth_state', {
    organization_id: organizationId,
    authorization_state: {
      user_id: configuration.user_id,
      mcp_configuration_id: configuration.id,
      state: stateHash,
      code_verifier: await seal(keyset, place, codeVerifier),
      endpoint,
      issuer: kept.issuer,
      resource,
      scope: scope ?? null,
      client_id: client.clientId,
      oauth_client_id: client.row?.id ?? null,
      server_metadata: kept,
      redirect_uri: redirectUri,
      redirect_to: redirectTo,
    },
  })
  return {
    authorization_url: authorizationUrl.href,
    expires_at: new Date(expiresAt).toISOString(),
  }
}
