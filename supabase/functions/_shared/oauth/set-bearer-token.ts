import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { seal } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import { configurationRow } from './rows.ts'
import { bearerTokenPlace } from './secret-places.ts'
import type { OAuthDependencies } from './dependencies.ts'

/** Body of `PUT /oauth/configurations/:id/bearer-token`: what can stand in an Authorization header. */
export const bearerTokenSchema = z.strictObject({
  /** The endpoint that the person saw; absent: the configuration's present one. */
  endpoint: z.string().max(2048).optional(),
  token: z
    .string()
    .min(1)
    .max(16_384)
    .regex(/^[\x21-\x7e]+$/, 'has a character that no header can carry'),
})

/**
 * Seals the bearer token of a configuration and stores it, or removes it (null). It never comes back.
 * @throws AppError `mcp_configuration_not_found`, `mcp_configuration_changed`, `permission_denied`,
 * `invalid_request`
 */
export async function setBearerToken(
  { database, keyset }: OAuthDependencies,
  caller: Caller,
  id: number,
  { token, endpoint }: { readonly token: string | null; readonly endpoint?: string | undefined },
): Promise<void> {
  const db = database.forCaller(caller.accessToken)
  const row = configurationRow.parse(await db.call('open_mcp_configuration', { id }))
  const place = bearerTokenPlace(caller.organizationId, row.id)
  const permission = row.shared ? 'mcp.manage' : 'agents.invoke'
  const may = await db.call('has_permission', { permission })
  if (may !== true) throw new AppError('permission_denied')
  // As the service role: a caller who could store a sealed text of their own making would stop the
  // rotation of keys for everyone.
  await database.admin.call('set_mcp_bearer_token', {
    organization_id: caller.organizationId,
    user_id: caller.userId,
    id,
    endpoint: endpoint ?? row.endpoint ?? '',
    sealed_token: token === null ? undefined : await seal(keyset, place, token),
  })
}
