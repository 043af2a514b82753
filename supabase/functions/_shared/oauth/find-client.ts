import {
  type OAuthClientInformationFull,
  registerClient,
  RegistrationRejectedError,
} from '@modelcontextprotocol/client'
import * as z from 'zod'
import { seal } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import type { OutboundFetch } from '../outbound/outbound.ts'
import { clientMetadata, redirectUriOf, type TokenEndpointAuthMethod } from './client-metadata.ts'
import { documentClient, type OAuthClient, openClient } from './client.ts'
import { failure, kindOf } from './failure.ts'
import type { IssuerMetadata } from './issuer-metadata.ts'
import { clientSecretPlace } from './places.ts'
import { clientRow } from './rows.ts'
import type { OAuthDependencies } from './settings.ts'

const lease = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ready'), client: clientRow }),
  z.object({ status: z.literal('register'), id: z.number(), lease_id: z.string() }),
  z.object({ status: z.literal('wait') }),
  z.object({ status: z.literal('absent') }),
])

const authMethods = ['client_secret_basic', 'client_secret_post', 'none'] as const
const patience = 20_000

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
  organizationId: number,
  { document, kept: { issuer } }: IssuerMetadata,
): Promise<OAuthClient> {
  const { settings, database, keyset, now } = deps
  const { clientMetadataUrl } = settings
  const takesDocument =
    document.client_id_metadata_document_supported === true &&
    document.authorization_response_iss_parameter_supported === true &&
    clientMetadataUrl.startsWith('https:')
  const redirectUri = await redirectUriOf(settings, issuer)
  const mayRegister = !takesDocument && document.registration_endpoint !== undefined
  const deadline = now() + patience
  for (let turn = 1; now() < deadline; turn += 1) {
    const answer = lease.parse(
      await database.admin.call('lease_oauth_client', {
        organization_id: organizationId,
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
        return register(deps, fetch, organizationId, document, { ...answer, redirectUri })
      case 'wait':
        await deps.sleep(Math.min(50 * turn, 500) * (0.5 + deps.random()))
    }
  }
  throw new AppError('connection_busy', { headers: { 'retry-after': '5' } })
}

async function register(
  deps: OAuthDependencies,
  fetch: OutboundFetch,
  organizationId: number,
  document: IssuerMetadata['document'],
  { id, lease_id, redirectUri }: { id: number; lease_id: string; redirectUri: string },
): Promise<OAuthClient> {
  const { admin } = deps.database
  try {
    const { issuer } = document
    const supported = document.token_endpoint_auth_methods_supported
    const preferred = authMethods.find((method) => supported?.includes(method) ?? true) ?? 'none'
    const registered = await registerClient(issuer, {
      metadata: document,
      clientMetadata: clientMetadata(redirectUri, preferred),
      fetchFn: fetch,
    })
    const { client_id, client_secret, client_secret_expires_at: expiry } = registered
    const row = { source: 'dynamic', issuer, redirect_uri: redirectUri } as const
    const place = clientSecretPlace(organizationId, row)
    const stored = await admin.call('store_oauth_client', {
      organization_id: organizationId,
      id,
      lease_id,
      client: {
        client_id,
        client_secret: client_secret ? await seal(deps.keyset, place, client_secret) : null,
        token_endpoint_auth_method: methodOf(registered),
        // 0 means never (RFC 7591, section 3.2.1).
        secret_expires_at: client_secret && expiry ? expiry : null,
      },
    })
    if (stored === null) throw new AppError('connection_busy', { headers: { 'retry-after': '1' } })
    return await openClient(deps.keyset, organizationId, clientRow.parse(stored), client_id)
  } catch (error) {
    await admin.call('release_oauth_client', { organization_id: organizationId, id, lease_id })
    throw error instanceof RegistrationRejectedError
      ? new AppError('registration_failed', { cause: `${kindOf(error)} ${error.status}` })
      : failure(error, {
          unreachable: 'authorization_server_unreachable',
          otherwise: 'registration_failed',
        })
  }
}

function methodOf(client: OAuthClientInformationFull): TokenEndpointAuthMethod | null {
  const method = client.token_endpoint_auth_method
  if (method === undefined) return null
  const known = authMethods.find((name) => name === method)
  if (known === undefined) {
    throw new AppError('registration_failed', { cause: 'an authentication method we do not have' })
  }
  return known
}
