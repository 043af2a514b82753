import { randomBytes } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import type { Member } from '../people/tenants.ts'

/** What authorizations and connections have in common, as the function `oauth` would store it. */
const server = {
  endpoint: 'https://mcp.example/mcp',
  issuer: 'https://issuer.example',
  resource: 'https://mcp.example/mcp',
  client_id: 'client',
}

/** Inserts a configuration as the owner of the tables. @returns its id */
export async function addConfiguration(
  tx: TransactionSql,
  organizationId: number,
  changes: { user_id?: string | null; name?: string; enabled?: boolean } = {},
): Promise<number> {
  const row = {
    organization_id: organizationId,
    user_id: null,
    name: `server-${randomBytes(6).toString('hex')}`,
    type: 'http',
    endpoint: server.endpoint,
    auth_type: 'oauth',
    ...changes,
  }
  const [inserted] = await tx<{ id: string }[]>`
    insert into public.mcp_configurations ${tx(row)} returning id`
  return Number(inserted?.id)
}

/** Inserts a connection of the member to a server of its own. */
export async function addConnection(
  tx: TransactionSql,
  { organizationId, id }: Member,
  changes: {
    endpoint?: string
    access_token?: string
    refresh_token?: string | null
    expires_at?: Date | null
    oauth_client_id?: number
    revocation_endpoint?: string
  } = {},
): Promise<number> {
  const { revocation_endpoint, ...columns } = changes
  const row = {
    ...server,
    organization_id: organizationId,
    user_id: id,
    mcp_configuration_id: await addConfiguration(tx, organizationId),
    mcp_name: 'server',
    oauth_provider: 'provider',
    server_metadata: tx.json(revocation_endpoint === undefined ? {} : { revocation_endpoint }),
    access_token: 'v1.key.nonce.access',
    refresh_token: 'v1.key.nonce.refresh',
    ...columns,
  }
  const [inserted] = await tx<{ id: string }[]>`
    insert into public.mcp_oauth_tokens ${tx(row)} returning id`
  return Number(inserted?.id)
}

/** Inserts an authorization under way. */
export async function addState(
  tx: TransactionSql,
  { organizationId, id }: Member,
  changes: { used?: boolean; expires_at?: Date } = {},
): Promise<number> {
  const row = {
    ...server,
    organization_id: organizationId,
    user_id: id,
    mcp_configuration_id: await addConfiguration(tx, organizationId),
    mcp_name: 'server',
    provider: 'provider',
    server_metadata: tx.json({}),
    state: randomBytes(32),
    code_verifier: 'v1.key.nonce.verifier',
    redirect_uri: 'https://platform.example/functions/v1/oauth/callback',
    redirect_to: 'https://client.example/',
    ...changes,
  }
  const [inserted] = await tx<{ id: string }[]>`
    insert into public.oauth_states ${tx(row)} returning id`
  return Number(inserted?.id)
}
