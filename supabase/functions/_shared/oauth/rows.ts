import * as z from 'zod'

/** An organization's client at an issuer, its secret sealed. */
export const clientRow = z.object({
  id: z.number(),
  issuer: z.string(),
  source: z.enum(['preregistered', 'dynamic']),
  /** Of a dynamic one. */
  redirect_uri: z.string().nullable(),
  client_id: z.string(),
  client_secret: z.string().nullable(),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post'])
    .nullable(),
})
export type ClientRow = z.infer<typeof clientRow>

/** The stored part of an issuer's checked metadata: enough to finish, refresh and revoke. */
export const serverMetadata = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  response_types_supported: z.array(z.string()),
  revocation_endpoint: z.string().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  revocation_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
})
export type ServerMetadata = z.infer<typeof serverMetadata>

const hosts = z.array(z.string()).nullable()

/** Where a person's calls go, and what they carry besides a token. */
const target = {
  endpoint: z.string(),
  /** What stands after the question mark of the endpoint, which names it `redacted=…`. */
  query: z.string().nullable(),
  headers: z.array(
    z.object({ name: z.string(), is_organizations: z.boolean(), sealed_value: z.string() }),
  ),
  allowed_hosts: hosts,
}
export type Target = z.infer<z.ZodObject<typeof target>>

/** What the requests of a discovery need. */
export const wholeEndpoint = z.object({ endpoint: target.endpoint, headers: target.headers })

/** A configuration as its user sees it. */
export const configurationRow = z.object({
  organization_id: z.number(),
  user_id: z.string(),
  id: z.number(),
  type: z.enum(['http', 'sse', 'stdio']),
  endpoint: z.string().nullable(),
  auth_type: z.enum(['none', 'bearer', 'oauth']),
  /** In place of the discovered resource; '': no parameter; null: the discovered one. */
  oauth_resource: z.string().nullable(),
  enabled: z.boolean(),
  /** The organization's, not one person's. */
  shared: z.boolean(),
  scope: z.string().nullable(),
  required_scope: z.string().nullable(),
  allowed_hosts: hosts,
  pkce_exceptions: z.array(z.string()),
})

/** A state that a callback has consumed. */
export const consumedState = z.discriminatedUnion('valid', [
  z.object({
    valid: z.literal(true),
    organization_id: z.number(),
    id: z.number(),
    issuer: z.string(),
    server_metadata: serverMetadata,
    redirect_uri: z.string(),
    redirect_to: z.string(),
  }),
  z.object({ valid: z.literal(false), redirect_to: z.string() }),
])

/** An authorization that its person finishes. */
export const takenState = z.object({
  organization_id: z.number(),
  user_id: z.string(),
  mcp_configuration_id: z.number(),
  state: z.string(),
  code_verifier: z.string(),
  code: z.string(),
  endpoint: z.string(),
  issuer: z.string(),
  resource: z.string().nullable(),
  scope: z.string().nullable(),
  client_id: z.string(),
  oauth_client_id: z.number().nullable(),
  server_metadata: serverMetadata,
  redirect_uri: z.string(),
  client: clientRow.nullable(),
  allowed_hosts: hosts,
})

/** Sealed tokens of an ended connection, to be revoked at their issuer. */
export const endedConnection = z.object({
  organization_id: z.number(),
  id: z.number(),
  user_id: z.string(),
  mcp_configuration_id: z.number(),
  client_id: z.string(),
  server_metadata: serverMetadata,
  access_token: z.string(),
  refresh_token: z.string().nullable(),
  client: clientRow.nullable(),
  allowed_hosts: hosts,
})
export type EndedConnection = z.infer<typeof endedConnection>

/** The credential of a person's calls to an MCP server, or the step before it. */
export const connectionUse = z.discriminatedUnion('status', [
  z.object({ status: z.literal('none'), ...target }),
  z.object({ status: z.literal('bearer'), ...target, bearer_token: z.string() }),
  z.object({
    status: z.literal('usable'),
    ...target,
    id: z.number(),
    generation: z.number(),
    access_token: z.string(),
    expires_at: z.string().nullable(),
    issuer: z.string(),
  }),
  z.object({
    status: z.literal('refresh'),
    allowed_hosts: hosts,
    id: z.number(),
    generation: z.number(),
    lease_id: z.string(),
    refresh_token: z.string(),
    issuer: z.string(),
    resource: z.string().nullable(),
    client_id: z.string(),
    server_metadata: serverMetadata,
    client: clientRow.nullable(),
  }),
  z.object({ status: z.literal('wait'), generation: z.number() }),
  z.object({ status: z.literal('failed'), error_code: z.string().nullable() }),
  z.object({ status: z.literal('needs_authorization') }),
])
export type ConnectionUse = z.infer<typeof connectionUse>
