import { validateAuthorizationResponseIssuer } from '@modelcontextprotocol/client'
import { seal } from '../crypto/seal.ts'
import { randomSecret, sha256Hex } from '../crypto/secret.ts'
import type { ErrorCode } from '../errors.ts'
import { kindOf } from './failure.ts'
import { statePlace } from './secret-places.ts'
import { withParameter } from './redirect-allow-list.ts'
import { consumedState, type ServerMetadata } from './rows.ts'
import type { OAuthDependencies } from './dependencies.ts'

const secretShape = /^[\w-]{43}$/
const longestCode = 4096

/** Errors of an authorization response (RFC 6749, section 4.1.2.1) by our codes. */
const codesOf: Readonly<Record<string, ErrorCode>> = {
  access_denied: 'access_denied',
  invalid_scope: 'invalid_scope',
  server_error: 'authorization_server_error',
  temporarily_unavailable: 'authorization_server_error',
}

/**
 * Takes the callback of an authorization server and returns the browser's next address: the
 * client's, with `connection`, a one-time handle, or with `error`, one of our codes. It exchanges
 * nothing, because no person is signed in, and passes on no text of the callback.
 * @returns the whole address for `location`
 */
export async function receiveCallback(
  deps: OAuthDependencies,
  /** What followed the callback in the path. */
  path: string | undefined,
  parameters: URLSearchParams,
): Promise<string> {
  const { redirects, callbackUrl } = deps.settings
  const [state] = parameters.getAll('state')
  const stateHash = state && secretShape.test(state) ? await sha256Hex(state) : ''
  const consumed = consumedState
    .nullable()
    .parse(await deps.database.admin.call('consume_oauth_state', { state: stateHash }))
  // The list may have changed since; a browser is never sent past it.
  const stored = consumed?.redirect_to
  const redirectTo = stored !== undefined && redirects.allows(stored) ? stored : redirects.fallback
  if (!consumed?.valid) return withParameter(redirectTo, 'error', 'invalid_state')

  const { organization_id, id } = consumed
  const fail = async (code: ErrorCode, detail: string) => {
    deps.log({ level: 'info', event: 'authorization_refused', code, detail })
    await deps.database.admin.call('end_oauth_state', { organization_id, id })
    return withParameter(redirectTo, 'error', code)
  }
  // The address of another issuer: a mix-up, which brings that issuer's answer to this
  // authorization.
  const receivedAt = path === undefined ? callbackUrl : `${callbackUrl}/${path}`
  if (receivedAt !== consumed.redirect_uri) return fail('invalid_state', 'at another redirect URI')
  const repeated = [...new Set(parameters.keys())].some(
    (name) => parameters.getAll(name).length > 1,
  )
  if (repeated) return fail('invalid_state', 'a parameter came twice')
  // Checked before every other parameter, also before errors (RFC 9207, section 2.4).
  const wrongIssuer = checkIssuer(consumed.server_metadata, parameters.get('iss') ?? undefined)
  if (wrongIssuer !== null) return fail('issuer_mismatch', wrongIssuer)
  const error = parameters.get('error')
  if (error !== null) {
    const known = Object.hasOwn(codesOf, error)
    const code = (known && codesOf[error]) || 'authorization_failed'
    return fail(code, known ? error : 'an error of another name')
  }
  const code = parameters.get('code') ?? ''
  if (code === '' || code.length > longestCode) return fail('invalid_state', 'no usable code')

  const handle = randomSecret()
  const kept = await deps.database.admin.call('store_oauth_code', {
    organization_id,
    id,
    code: await seal(deps.keyset, statePlace(organization_id, stateHash, 'code'), code),
    handle: await sha256Hex(handle),
  })
  if (!kept) return fail('invalid_state', 'the authorization ended meanwhile')
  return withParameter(redirectTo, 'connection', handle)
}

function checkIssuer(metadata: ServerMetadata, iss: string | undefined): string | null {
  try {
    validateAuthorizationResponseIssuer({
      iss,
      expectedIssuer: metadata.issuer,
      issParameterSupported: metadata.authorization_response_iss_parameter_supported === true,
    })
    return null
  } catch (error) {
    return kindOf(error)
  }
}
