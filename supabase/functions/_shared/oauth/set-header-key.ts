import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { seal } from '../crypto/seal.ts'
import { AppError } from '../errors.ts'
import { headerKeyPlace } from './secret-places.ts'
import { configurationRow } from './rows.ts'
import type { OAuthDependencies } from './dependencies.ts'

/** Headers that the protocol, the transport or the guard sets. */
const reserved =
  /^(accept|connection|content|host|keep-alive|last-event-id|mcp|origin|proxy|sec|te|trailer|transfer|upgrade)(-|$)/

const owner = z.enum(['me', 'organization']).default('me')

/** The name of a header that carries a key, from the path. */
export const headerNameSchema = z.strictObject({
  name: z
    .string()
    .max(64)
    .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'is not the name of a header')
    .transform((name) => name.toLowerCase())
    .refine((name) => !reserved.test(name), 'is a header of the protocol'),
})

/** Body of `PUT /oauth/configurations/:id/headers/:name`. */
export const headerKeySchema = z.strictObject({
  value: z
    .string()
    .max(8_192)
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'has a character that no header can carry'),
  /** Whose key it is: every member uses the organization's, unless they have their own. */
  owner,
  /** The endpoint that the person saw; absent: the configuration's present one. */
  endpoint: z.string().max(2048).optional(),
})

/** Query of `DELETE /oauth/configurations/:id/headers/:name`. */
export const headerOwnerSchema = z.strictObject({ owner })

export interface HeaderKey {
  readonly name: string
  /** null: the key is removed. */
  readonly value: string | null
  readonly owner: 'me' | 'organization'
  readonly endpoint?: string | undefined
}

/**
 * Seals the key that a header of a configuration's requests carries, and stores it, or removes it. It
 * never comes back: `rpc('mcp_header_keys')` lists names.
 * @throws AppError `mcp_configuration_not_found`, `mcp_configuration_changed`, `permission_denied`,
 * `mcp_stdio_not_supported`, `invalid_request`
 */
export async function setHeaderKey(
  { database, keyset }: OAuthDependencies,
  caller: Caller,
  id: number,
  { name, value, owner, endpoint }: HeaderKey,
): Promise<void> {
  const { organizationId, userId } = caller
  const db = database.forCaller(caller.accessToken)
  const row = configurationRow.parse(await db.call('open_mcp_configuration', { id }))
  if (row.type === 'stdio') throw new AppError('mcp_stdio_not_supported')
  if (name === 'authorization' && value !== null && row.auth_type !== 'none') {
    throw new AppError('invalid_request', {
      message: 'The configuration has a token, which the header authorization carries.',
      path: 'name',
    })
  }
  const isOrganizations = owner === 'organization'
  const permission = isOrganizations ? 'mcp.manage' : 'agents.invoke'
  if ((await db.call('has_permission', { permission })) !== true) {
    throw new AppError('permission_denied')
  }
  const place = headerKeyPlace(organizationId, id, isOrganizations ? null : userId, name)
  // As the service role: see setBearerToken().
  await database.admin.call('set_mcp_header_key', {
    organization_id: organizationId,
    user_id: userId,
    id,
    endpoint: endpoint ?? row.endpoint ?? '',
    is_organizations: isOrganizations,
    name,
    sealed_value: value === null ? undefined : await seal(keyset, place, value),
  })
}
