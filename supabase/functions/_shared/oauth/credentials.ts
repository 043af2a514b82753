import { open, OpenError } from '../crypto/seal.ts'
import { untilStored } from '../database.ts'
import { AppError, type ErrorCode, isErrorCode } from '../errors.ts'
import { sleep } from '../time.ts'
import { openClient } from './client.ts'
import { kindOf } from './failure.ts'
import { rejectClient } from './finish-authorization.ts'
import { giveBackTokens } from './give-back-tokens.ts'
import { openCredential, openHeaderKeys } from './open-credential.ts'
import { bearerTokenPlace, type ConnectionKey, tokenPlace } from './secret-places.ts'
import { type ConnectionUse, connectionUse } from './rows.ts'
import { sealTokens } from './sealed-tokens.ts'
import type { CredentialDependencies } from './dependencies.ts'
import { GrantRefused, refreshTokens } from './token-request.ts'

/** The credential of a person's calls to an MCP server. */
export interface Credential {
  /** For the header `authorization: Bearer <token>`; null: the server wants none. */
  readonly token: string | null
  /** Identifies the token when the server refuses it. */
  readonly generation: number
  /** The only server that the token and the headers may be sent to. */
  readonly endpoint: string
  /** Stands in the place of the endpoint's query, which is a name for it; null: the endpoint has none. */
  readonly query: string | null
  /** Headers with keys. */
  readonly headers: Readonly<Record<string, string>>
  /** For the guard of the calls. */
  readonly allowedHosts: readonly string[] | null
  /** ISO 8601; null when nobody said. */
  readonly expiresAt: string | null
  /** The authorization server of the token; null: it is of none. */
  readonly issuer: string | null
}

export interface Credentials {
  /**
   * A usable credential, refreshed when it is due. Any number of calls, in any number of workers,
   * cause one refresh.
   * @param rejected generation of a token that the server has answered with 401
   * @throws AppError `connection_needs_authorization`, `mcp_configuration_not_found`,
   * `authorization_server_unreachable`, `authorization_server_error`, `client_rejected`,
   * `connection_busy`
   */
  get(key: ConnectionKey, rejected?: number): Promise<Credential>
  /** Always refreshes, also after an authorization that seemed to have ended. */
  refresh(key: ConnectionKey): Promise<Credential>
  /**
   * Ends the authorization of a credential that the server has refused although it was fresh.
   * @param code why, for its person
   */
  end(key: ConnectionKey, generation: number, code: ErrorCode): Promise<void>
}

type OpenUse = Extract<ConnectionUse, { status: 'refresh' }>

const patience = 30_000
/** A bearer token has no generations; refusing it once refuses it until it is replaced. */
const onlyGeneration = 0

/** Returns the credentials of connections. */
export function createCredentials(deps: CredentialDependencies): Credentials {
  const underWay = new Map<string, Promise<Credential>>()
  // Calls in one worker share one look-up; the database coordinates the workers.
  const shared = (name: string, work: () => Promise<Credential>) => {
    const running = underWay.get(name) ?? work().finally(() => underWay.delete(name))
    underWay.set(name, running)
    return running
  }
  const nameOf = ({ organizationId, userId, configurationId }: ConnectionKey) =>
    `${organizationId}/${userId}/${configurationId}`
  return {
    get: (key, rejected) =>
      shared(`${nameOf(key)}/${rejected ?? ''}`, () => obtain(deps, key, rejected, false)),
    refresh: (key) => shared(`${nameOf(key)}/force`, () => obtain(deps, key, undefined, true)),
    end: (key, generation, code) => end(deps, key, generation, code),
  }
}

async function obtain(
  deps: CredentialDependencies,
  key: ConnectionKey,
  rejected: number | undefined,
  force: boolean,
): Promise<Credential> {
  const { organizationId, userId, configurationId } = key
  const deadline = deps.clock.now() + patience
  let old = rejected
  let forced = force
  for (let turn = 1; deps.clock.now() < deadline; turn += 1) {
    const use = connectionUse.parse(
      await deps.database.admin.call('use_mcp_connection', {
        organization_id: organizationId,
        user_id: userId,
        mcp_configuration_id: configurationId,
        rejected_generation: old,
        force: forced,
      }),
    )
    switch (use.status) {
      case 'refresh':
        await refresh(deps, key, use)
        // Another worker may have stored last: read the newest tokens back.
        old = use.generation
        forced = false
        break
      case 'wait':
        old ??= use.generation
        forced = false
        await sleep(deps.clock, Math.min(25 * turn, 250) * (0.5 + deps.random()))
        break
      case 'needs_authorization':
        throw new AppError('connection_needs_authorization')
      case 'failed':
        throw new AppError(
          isErrorCode(use.error_code) ? use.error_code : 'authorization_server_error',
        )
      case 'none':
      case 'bearer':
      case 'usable':
        return credentialOf(deps, key, use)
    }
  }
  throw new AppError('connection_busy')
}

/** Unless other tokens were stored meanwhile, of which the refusal says nothing. */
async function end(
  { database: { admin } }: CredentialDependencies,
  { organizationId: organization_id, userId, configurationId }: ConnectionKey,
  generation: number,
  error_code: ErrorCode,
): Promise<void> {
  const use = connectionUse.parse(
    await admin.call('use_mcp_connection', {
      organization_id,
      user_id: userId,
      mcp_configuration_id: configurationId,
      rejected_generation: generation,
      force: false,
    }),
  )
  if (use.status !== 'refresh') return
  await admin.call('fail_mcp_refresh', {
    organization_id,
    id: use.id,
    generation,
    lease_id: use.lease_id,
    error_code,
    is_final: true,
  })
}

async function credentialOf(
  { keyset }: CredentialDependencies,
  key: ConnectionKey,
  use: Extract<ConnectionUse, { status: 'none' | 'bearer' | 'usable' }>,
): Promise<Credential> {
  const common = {
    generation: onlyGeneration,
    endpoint: use.endpoint,
    query: use.query,
    headers: await openHeaderKeys(keyset, key, use.headers),
    allowedHosts: use.allowed_hosts,
    expiresAt: null,
    issuer: null,
  }
  if (use.status === 'none') return { ...common, token: null }
  if (use.status === 'bearer') {
    const place = bearerTokenPlace(key.organizationId, key.configurationId)
    return { ...common, token: await openCredential(keyset, place, use.bearer_token) }
  }
  return {
    ...common,
    token: await openCredential(keyset, tokenPlace(key, 'access_token'), use.access_token),
    generation: use.generation,
    expiresAt: use.expires_at,
    issuer: use.issuer,
  }
}

/** Refreshes as the holder of the lease. @throws AppError after the lease has been given back */
async function refresh(
  deps: CredentialDependencies,
  key: ConnectionKey,
  use: OpenUse,
): Promise<void> {
  const { keyset, database } = deps
  const { organizationId } = key
  const { id, generation, lease_id } = use
  const row = { organization_id: organizationId, id, generation }
  try {
    const client = await openClient(keyset, organizationId, use.client, use.client_id)
    const request = {
      metadata: use.server_metadata,
      client,
      resource: use.resource,
      fetch: deps.outbound(use.allowed_hosts),
      clock: deps.clock,
      log: deps.log,
    }
    const tokens = await refreshTokens(
      request,
      await open(keyset, tokenPlace(key, 'refresh_token'), use.refresh_token),
    ).catch(async (error: unknown) => {
      if (!(error instanceof GrantRefused)) throw error
      const { code: cause } = error
      if (error.what === 'grant') throw new AppError('connection_needs_authorization', { cause })
      await rejectClient(deps, organizationId, client)
      throw new AppError('client_rejected', { cause })
    })
    // When the issuer rotates refresh tokens, only this worker holds a valid one. If the database
    // does not store it, newer tokens are stored.
    const { issuer, client_id } = use
    const sealed = { ...(await sealTokens(keyset, key, tokens)), issuer, client_id }
    const stored = await untilStored(
      () => database.admin.call('store_mcp_refresh', { ...row, tokens: sealed }),
      deps,
    )
    // The person has disconnected or connected anew meanwhile: nobody else will end this grant.
    if (stored === 'unwanted') await giveBackTokens(deps, key, request, tokens)
  } catch (error) {
    const failed =
      error instanceof AppError
        ? error
        : error instanceof OpenError
          ? new AppError('credential_unreadable', { cause: error.message })
          : new AppError('internal_error', { cause: kindOf(error) })
    // A manager can correct a client that an organization entered; one that we registered is lost.
    const lost = failed.code === 'client_rejected' && use.client?.source === 'dynamic'
    const ended = await database.admin.call('fail_mcp_refresh', {
      ...row,
      lease_id,
      error_code: failed.code,
      is_final: failed.code === 'connection_needs_authorization' || lost,
    })
    // Otherwise another worker has stored newer tokens, which this failure does not concern.
    if (ended) throw failed
  }
}
