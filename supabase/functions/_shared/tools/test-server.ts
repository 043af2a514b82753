import type { Caller } from '../auth/access-token.ts'
import { AppError, type ErrorCode, toAppError } from '../errors.ts'
import { errorStack } from '../log/log.ts'
import { type OAuthConfiguration, withWholeEndpoint } from '../oauth/open-configuration.ts'
import { discover } from '../oauth/discover.ts'
import { configurationRow } from '../oauth/rows.ts'
import type { OAuthDependencies } from '../oauth/dependencies.ts'
import { withDeadline } from '../outbound/outbound.ts'
import { timeLimit } from '../time.ts'
import { Contact } from './mcp/contact.ts'
import type { OpenToolServer, RefusedTool, ServerEra } from './tool-server.ts'

export interface TestServerDependencies extends OAuthDependencies {
  readonly openToolServer: OpenToolServer
}

/** What a test of a configuration found. */
export interface TestedServer {
  /** Whether agents of the caller can use it as it is. */
  readonly usable: boolean
  /** Whether the endpoint answered; null: no request is known to have gone to it. */
  readonly reachable: boolean | null
  /** The protocol that it speaks, where it said so. */
  readonly era: ServerEra | null
  readonly tools: readonly { readonly name: string; readonly title: string | null }[]
  /** Tools that are left out, and why. */
  readonly refused: readonly RefusedTool[]
  /** Why there may be more tools; null: these are all. */
  readonly incomplete: string | null
  /** Why it is not usable. */
  readonly problem: { readonly code: ErrorCode; readonly message: string } | null
  /** Who has to sign in or to enter a credential first: `you`, or `manager` with mcp.manage. */
  readonly sign_in: 'you' | 'manager' | null
  /** Where to sign in, as far as the server says it. */
  readonly issuer: string | null
}

const patience = 25_000

const credentialCodes = new Set<ErrorCode>([
  ...(['connection_needs_authorization', 'authorization_server_changed'] as const),
  ...(['insufficient_scope', 'client_rejected'] as const),
  ...(['server_needs_credential', 'credential_unreadable'] as const),
])

/**
 * Tries a configuration in the caller's name as an execution would, and says what it found. Nothing is
 * recorded: the first execution still decides what is accepted.
 * @throws AppError `mcp_configuration_not_found`
 */
export async function testServer(
  deps: TestServerDependencies,
  caller: Caller,
  id: number,
): Promise<TestedServer> {
  const db = deps.database.forCaller(caller.accessToken)
  const row = configurationRow.parse(await db.call('open_mcp_configuration', { id }))
  const { type, endpoint, auth_type: authType, shared } = row
  const nothing = { era: null, tools: [], refused: [], incomplete: null } as const
  const discovery = new Contact(deps.clock)
  const fail = (
    error: unknown,
    reached: boolean | null,
    issuer: string | null = null,
  ): TestedServer => {
    const { code, message, cause } = toAppError(error)
    const detail = `MCP configuration ${id}: ${errorStack(cause ?? error)}`
    deps.log({ level: 'info', event: 'mcp_server_tested', code, detail })
    const isManagers = shared && authType !== 'oauth'
    return {
      ...nothing,
      usable: false,
      reachable: reached ?? discovery.reached,
      problem: { code, message },
      sign_in: credentialCodes.has(code) ? (isManagers ? 'manager' : 'you') : null,
      issuer,
    }
  }
  if (type === 'stdio' || endpoint === null) {
    return fail(new AppError('mcp_stdio_not_supported'), null)
  }
  const server = deps.openToolServer({
    organizationId: row.organization_id,
    userId: row.user_id,
    configurationId: row.id,
    type,
    endpoint,
  })
  try {
    const { tools, refused, incomplete, era } = await server.list(timeLimit(patience))
    return {
      usable: true,
      reachable: true,
      era,
      tools: tools.map(({ name, title = null }) => ({ name, title })),
      refused,
      incomplete,
      problem: null,
      sign_in: null,
      issuer: null,
    }
  } catch (error) {
    const { code } = toAppError(error)
    const reached = server.reached()
    const isOver =
      code === 'connection_needs_authorization' || code === 'authorization_server_changed'
    if (authType !== 'oauth' || !isOver) {
      return fail(error, reached)
    }
    return await findIssuer(deps, { ...row, type, endpoint }, discovery).then(
      (issuer) => fail(error, reached, issuer),
      // The way to sign in is what does not work.
      (reason: unknown) => fail(reason, reached),
    )
  } finally {
    await server.close()
  }
}

async function findIssuer(
  deps: OAuthDependencies,
  configuration: OAuthConfiguration,
  contact: Contact,
): Promise<string> {
  const guarded = withDeadline(deps.outbound(configuration.allowed_hosts), patience)
  // The endpoint comes first: the other documents are fetched after its answer.
  const fetch = contact.watch(guarded)
  const whole = await withWholeEndpoint(deps, configuration)
  const { metadata } = await discover(fetch, whole, deps.settings.allowLoopback)
  return metadata.kept.issuer
}
