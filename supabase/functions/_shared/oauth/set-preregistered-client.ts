import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { seal } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import { redirectUriOf } from './client-metadata.ts'
import { clientSecretPlace } from './secret-places.ts'
import type { OAuthDependencies } from './dependencies.ts'

const printable = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\x20-\x7e]+$/, 'has a character that no client has')

/** Body of `PUT /oauth/clients`: what an issuer registered for the organization by hand. */
export const preregisteredClientSchema = z.strictObject({
  issuer: z.url({ protocol: /^https?$/ }).max(2048),
  client_id: printable(2048),
  client_secret: printable(4096).optional(),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post'])
    .optional(),
})

const storedClient = z.object({
  id: z.number(),
  issuer: z.string(),
  client_id: z.string(),
  source: z.literal('preregistered'),
})

/** A stored client, with the redirect URI that it has to have at its issuer. */
export type PreregisteredClient = z.infer<typeof storedClient> & { readonly redirect_uri: string }

/**
 * Stores a client for the caller's organization, its secret sealed. It is used before any other.
 * @throws AppError `permission_denied` without mcp.manage
 */
export async function setPreregisteredClient(
  { database, keyset, settings }: OAuthDependencies,
  caller: Caller,
  client: z.infer<typeof preregisteredClientSchema>,
): Promise<PreregisteredClient> {
  const { issuer, client_id, client_secret: secret } = client
  const place = clientSecretPlace(caller.organizationId, {
    source: 'preregistered',
    issuer,
    redirect_uri: null,
    client_id,
  })
  const db = database.forCaller(caller.accessToken)
  const may = await db.call('has_permission', { permission: 'mcp.manage' })
  if (may !== true) throw new AppError('permission_denied')
  const stored = storedClient.parse(
    // As the service role: a caller who could store a sealed text of their own making would stop the
    // rotation of keys for everyone.
    await database.admin.call('set_oauth_client', {
      organization_id: caller.organizationId,
      user_id: caller.userId,
      issuer,
      client_id,
      sealed_secret: secret === undefined ? undefined : await seal(keyset, place, secret),
      token_endpoint_auth_method: client.token_endpoint_auth_method,
    }),
  )
  return { ...stored, redirect_uri: await redirectUriOf(settings, issuer) }
}
