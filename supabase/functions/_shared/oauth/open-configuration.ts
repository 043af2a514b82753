import type * as z from 'zod'
import type { Database, Db } from '../database.ts'
import { AppError } from '../errors.ts'
import { configurationRow } from './rows.ts'

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
 * The same configuration with the query of its endpoint, to be sent to that server alone. As the service
 * role: a member who may not change the configuration must not read a key in its query.
 * @throws AppError `mcp_configuration_changed` when it names another endpoint by now
 */
export async function withWholeEndpoint<Row extends { id: number; organization_id: number }>(
  { admin }: Pick<Database, 'admin'>,
  row: Row & { readonly endpoint: string },
): Promise<Row & { readonly endpoint: string }> {
  const { organization_id, id, endpoint } = row
  const whole = await admin.call('resolve_mcp_endpoint', { organization_id, id, endpoint })
  if (whole === null) throw new AppError('mcp_configuration_changed')
  return { ...row, endpoint: whole }
}
