import * as z from 'zod'
import type { Caller } from '../auth/access-token.ts'
import { open } from '../crypto/seal.ts'
import { sha256Hex } from '../crypto/secret.ts'
import { untilStored } from '../database.ts'
import { AppError } from '../errors.ts'
import { openClient } from './client.ts'
import { giveBackTokens } from './give-back-tokens.ts'
import { type ConnectionKey, statePlace } from './secret-places.ts'
import type { Tokens } from './read-token-answer.ts'
import { takenState } from './rows.ts'
import { sealTokens } from './sealed-tokens.ts'
import type { OAuthDependencies } from './dependencies.ts'
import { exchangeCode, GrantRefused } from './token-request.ts'

/** Body of `POST /oauth/connections/finish`. */
export const authorizationCodeSchema = z.strictObject({
  connection: z.string().regex(/^[\w-]{43}$/, 'is not a handle'),
})

export interface FinishedConnection {
  readonly id: number
  readonly mcp_configuration_id: number
  readonly issuer: string
  readonly scope: string | null
}

const claim = z.object({ organization_id: z.number(), id: z.number() }).nullable()

/**
 * Finishes an authorization: exchanges the code and stores the tokens, only for the person who
 * began it, in the organization where it began.
 * @throws AppError `invalid_connection` for every handle that does not serve, or what went wrong
 */
export async function finishAuthorization(
  deps: OAuthDependencies,
  caller: Caller,
  { connection: handle }: z.infer<typeof authorizationCodeSchema>,
): Promise<FinishedConnection> {
  const { database, keyset } = deps
  const db = database.forCaller(caller.accessToken)
  const claimed = claim.parse(
    await db.call('claim_mcp_authorization', { handle: await sha256Hex(handle) }),
  )
  if (claimed === null) throw new AppError('invalid_connection')
  const taken = takenState
    .nullable()
    .parse(await database.admin.call('take_oauth_code', { ...claimed, user_id: caller.userId }))
  if (taken === null) throw new AppError('invalid_connection')

  const { organization_id: organizationId, mcp_configuration_id: configurationId, state } = taken
  const key = { organizationId, userId: taken.user_id, configurationId }
  const client = await openClient(keyset, organizationId, taken.client, taken.client_id)
  const fetch = deps.outbound(taken.allowed_hosts)
  const request = {
    metadata: taken.server_metadata,
    client,
    resource: taken.resource,
    fetch,
    clock: deps.clock,
    log: deps.log,
  }
  const tokens = await exchangeCode(request, {
    code: await open(keyset, statePlace(organizationId, state, 'code'), taken.code),
    codeVerifier: await open(
      keyset,
      statePlace(organizationId, state, 'code_verifier'),
      taken.code_verifier,
    ),
    redirectUri: taken.redirect_uri,
  }).catch(async (error: unknown) => {
    if (!(error instanceof GrantRefused)) throw error
    const { code: cause } = error
    if (error.what === 'grant') throw new AppError('authorization_failed', { cause })
    await rejectClient(deps, organizationId, client)
    throw new AppError('client_rejected', { cause })
  })
  // RFC 6749, section 5.1: no scope in the answer means the one that was asked for.
  const scope = tokens.scope ?? taken.scope
  const id = await store(deps, key, taken, { ...tokens, scope }).catch(async (error: unknown) => {
    // After a failure no tokens stay, also not at the issuer.
    await giveBackTokens(deps, key, request, tokens)
    throw error
  })
  return { id, mcp_configuration_id: configurationId, issuer: taken.issuer, scope }
}

/** Makes the next authorization register again, when we registered the client. */
export async function rejectClient(
  { database }: Pick<OAuthDependencies, 'database'>,
  organizationId: number,
  { row, clientId }: Awaited<ReturnType<typeof openClient>>,
): Promise<void> {
  if (row?.source !== 'dynamic') return
  await database.admin.call('reject_oauth_client', {
    organization_id: organizationId,
    id: row.id,
    client_id: clientId,
  })
}

async function store(
  deps: OAuthDependencies,
  key: ConnectionKey,
  taken: z.infer<typeof takenState>,
  tokens: Tokens,
): Promise<number> {
  const connection = {
    mcp_configuration_id: key.configurationId,
    endpoint: taken.endpoint,
    issuer: taken.issuer,
    resource: taken.resource,
    client_id: taken.client_id,
    oauth_client_id: taken.oauth_client_id,
    server_metadata: taken.server_metadata,
    ...(await sealTokens(deps.keyset, key, tokens)),
  }
  const { organizationId: organization_id, userId: user_id } = key
  // A second store leaves the same connection. One case remains: when the first answer is lost and
  // the person disconnects before the next try, that try restores the connection.
  return untilStored(
    () =>
      deps.database.admin.call('store_mcp_connection', { organization_id, user_id, connection }),
    deps,
  )
}
