import * as z from 'zod'
import { seal } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { sleep } from '../time.ts'
import { redirectUriOf } from './client-metadata.ts'
import { documentClient, type OAuthClient, openClient } from './client.ts'
import type { IssuerMetadata } from './issuer-metadata.ts'
import { clientSecretPlace } from './secret-places.ts'
import { registerClient, type Registration } from './register-client.ts'
import { clientRow } from './rows.ts'
import type { OAuthDependencies } from './dependencies.ts'

const lease = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ready'), client: clientRow }),
  z.object({ status: z.literal('register'), id: z.number(), lease_id: z.string() }),
  z.object({ status: z.literal('wait') }),
  z.object({ status: z.literal('absent') }),
])

const patience = 20_000

/** For whom a client is found: a registration counts as this person's change. */
interface Caller {
  readonly organizationId: number
  readonly userId: string
}

/**
 * Our client at an issuer: the one that a manager entered for the organization, else our client id
 * metadata document where answers have `iss`, else one registered now. Concurrent callers register
 * one client per organization, issuer and redirect URI.
 * @throws AppError `registration_not_supported`, `registration_failed`, `connection_busy` or what
 * the request failed with
 */
export async function findClient(
  deps: OAuthDependencies,
  fetch: OutboundFetch,
  { organizationId, userId }: Caller,
  { document, kept: { issuer } }: IssuerMetadata,
  scope: string | undefined,
): Promise<OAuthClient> {
  const { settings, database, keyset, clock } = deps
  const { clientMetadataUrl } = settings
  const takesDocument =
    document.client_id_metadata_document_supported === true &&
    document.authorization_response_iss_parameter_supported === true &&
    clientMetadataUrl.startsWith('https:')
  const redirectUri = await redirectUriOf(settings, issuer)
  const mayRegister = !takesDocument && document.registration_endpoint !== undefined
  const deadline = clock.now() + patience
  for (let turn = 1; clock.now() < deadline; turn += 1) {
    const answer = lease.parse(
      await database.admin.call('lease_oauth_client', {
        organization_id: organizationId,
        user_id: userId,
        issuer,
        may_register: mayRegister,
        redirect_uri: redirectUri,
      }),
    )
    switch (answer.status) {
      case 'ready':
        return openClient(keyset, organizationId, answer.client, answer.client.client_id)
      case 'absent':
        if (takesDocument) return documentClient(clientMetadataUrl)
        throw new AppError('registration_not_supported', {
          message: `A manager has to enter a client, registered with the redirect URI ${redirectUri}`,
        })
      case 'register':
        return register(
          deps,
          fetch,
          { organizationId, userId },
          { document, redirectUri, scope },
          answer,
        )
      case 'wait':
        await sleep(clock, Math.min(50 * turn, 500) * (0.5 + deps.random()))
    }
  }
  throw new AppError('connection_busy')
}

async function register(
  deps: OAuthDependencies,
  fetch: OutboundFetch,
  { organizationId, userId }: Caller,
  registration: Registration,
  { id, lease_id }: { id: number; lease_id: string },
): Promise<OAuthClient> {
  const { admin } = deps.database
  const { document, redirectUri } = registration
  try {
    const { issuer } = document
    const { clientId, clientSecret, authMethod, secretExpiresAt } = await registerClient(
      { fetch, clock: deps.clock },
      registration,
    )
    const place = clientSecretPlace(organizationId, {
      source: 'dynamic',
      issuer,
      redirect_uri: redirectUri,
      client_id: clientId,
    })
    const stored = await admin.call('store_oauth_client', {
      organization_id: organizationId,
      user_id: userId,
      id,
      lease_id,
      client: {
        client_id: clientId,
        client_secret: clientSecret === null ? null : await seal(deps.keyset, place, clientSecret),
        token_endpoint_auth_method: authMethod,
        secret_expires_at: secretExpiresAt,
      },
    })
    if (stored === null) throw new AppError('connection_busy', { headers: { 'retry-after': '1' } })
    return await openClient(deps.keyset, organizationId, clientRow.parse(stored), clientId)
  } catch (error) {
    await admin.call('release_oauth_client', { organization_id: organizationId, id, lease_id })
    throw error
  }
}
