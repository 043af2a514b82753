import type * as z from 'zod'
import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import { openHeaderKeys } from './open-credential.ts'
import { configurationRow, wholeEndpoint } from './rows.ts'
import type { OAuthDependencies } from './dependencies.ts'
import type { KeyedServer } from './with-keys.ts'

/** A remote MCP server that its user may authorize. */
export type OAuthConfiguration = z.infer<typeof configurationRow> & {
  readonly type: 'http' | 'sse'
  readonly endpoint: string
}

/**
 * Reads a configuration as the caller and makes sure that it is one for OAuth.
 * @throws AppError `mcp_configuration_not_found`, `mcp_stdio_not_supported`, `invalid_request`
 */
export async function openOAuthConfiguration(db: Db, id: number): Promise<OAuthConfiguration> {
  const row = configurationRow.parse(await db.call('open_mcp_configuration', { id }))
  const { type, endpoint, auth_type: authType, enabled } = row
  if (!enabled) throw new AppError('mcp_configuration_not_found')
  if (type === 'stdio' || endpoint === null) throw new AppError('mcp_stdio_not_supported')
  if (authType !== 'oauth') {
    throw new AppError('invalid_request', {
      message: 'The configuration does not use OAuth.',
      path: 'mcp_configuration_id',
    })
  }
  return { ...row, type, endpoint }
}

/**
 * The same configuration with the query of its endpoint and with the keys in headers, to be sent to that
 * server alone. As the service role: a member who may not change the configuration must not read them.
 * @throws AppError `mcp_configuration_changed` when it names another endpoint by now,
 * `credential_unreadable`
 */
export async function withWholeEndpoint<Row extends EndpointRow>(
  { database: { admin }, keyset }: Pick<OAuthDependencies, 'database' | 'keyset'>,
  row: Row,
): Promise<Row & KeyedServer> {
  const { organization_id, user_id, id, endpoint } = row
  const found = wholeEndpoint
    .nullable()
    .parse(await admin.call('resolve_mcp_endpoint', { organization_id, user_id, id, endpoint }))
  if (found === null) throw new AppError('mcp_configuration_changed')
  const key = { organizationId: organization_id, userId: user_id, configurationId: id }
  const headers = await openHeaderKeys(keyset, key, found.headers)
  return { ...row, endpoint: found.endpoint, headers }
}

type EndpointRow = Pick<z.infer<typeof configurationRow>, 'id' | 'organization_id' | 'user_id'> & {
  readonly endpoint: string
}
