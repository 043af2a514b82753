import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { seal } from '../crypto/seal.ts'
import { configurationRow } from './rows.ts'
import { bearerTokenPlace } from './places.ts'
import type { OAuthDependencies } from './settings.ts'

/** Body of `PUT /oauth/configurations/:id/bearer-token`: what can stand in an Authorization header. */
export const bearerTokenSchema = z.strictObject({
  token: z
    .string()
    .min(1)
    .max(16_384)
    .regex(/^[\x21-\x7e]+$/, 'has a character that no header can carry'),
})

/**
 * Seals the bearer token of a configuration and stores it, or removes it (null). It never comes back.
 * @throws AppError `mcp_configuration_not_found`, `permission_denied`, `invalid_request`
 */
export async function setBearerToken(
  { database, keyset }: OAuthDependencies,
  caller: Caller,
  id: number,
  token: string | null,
): Promise<void> {
  const db = database.forCaller(caller.accessToken)
  const row = configurationRow.parse(await db.call('open_mcp_configuration', { id }))
  const place = bearerTokenPlace(row.organization_id, row.id)
  await db.call('set_mcp_bearer_token', {
    id,
    sealed_token: token === null ? undefined : await seal(keyset, place, token),
  })
}
