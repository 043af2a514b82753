import { isRecord, stringOf } from '../json.ts'
import { errorLine } from '../log/redact.ts'
import { type Clock, Watchdog } from '../time.ts'
import { readText } from './byte-reader.ts'
import { ModelError } from './model-error.ts'
import { failureOfStatus } from './provider-failure.ts'
import type { ServiceAccount } from './service-account.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const ASSERTION_LIFETIME_S = 3600
const RENEW_BEFORE_MS = 5 * 60 * 1000
const REQUEST_TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 64 * 1024

export interface TokenContext {
  fetch: typeof fetch
  clock: Clock
}

interface CachedToken {
  value: string
  renewAt: number
}

/**
 * Access tokens of a service account: a JWT signed with its key, exchanged at the token endpoint
 * (RFC 7523; Google's "OAuth 2.0 for service accounts"). Kept until 5 minutes before expiry; many
 * callers at once make one exchange, and none of them can abort it for the others.
 */
export class ServiceAccountTokens {
  readonly #account: ServiceAccount
  #cached: CachedToken | null = null
  #pending: Promise<CachedToken> | null = null

  constructor(account: ServiceAccount) {
    this.#account = account
  }

  /** @throws ModelError; a failed exchange is not remembered */
  async token(context: TokenContext): Promise<string> {
    const cached = this.#cached
    if (cached !== null && context.clock.now() < cached.renewAt) return cached.value
    this.#pending ??= this.#exchange(context).finally(() => {
      this.#pending = null
    })
    const fresh = await this.#pending
    return fresh.value
  }

  /** Forgets the token, for one that the API refused before its time. */
  forget(): void {
    this.#cached = null
  }

  /** What must never reach a log. */
  secrets(): readonly string[] {
    const { privateKey } = this.#account
    return this.#cached === null ? [privateKey] : [privateKey, this.#cached.value]
  }

  async #exchange({ fetch: send, clock }: TokenContext): Promise<CachedToken> {
    const startedAt = clock.now()
    const assertion = await this.#sign(startedAt)
    const controller = new AbortController()
    const watchdog = new Watchdog(clock, () => controller.abort())
    watchdog.expect('timeout', REQUEST_TIMEOUT_MS)
    try {
      const response = await send(this.#account.tokenUri, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion,
        }),
        signal: controller.signal,
        redirect: 'manual',
      })
      const { text, truncated } = await readText(response, MAX_ANSWER_BYTES)
      if (response.status !== 200) throw this.#refused(response, text, truncated, startedAt)
      this.#cached = parseToken(text, startedAt)
      return this.#cached
    } catch (error) {
      if (error instanceof ModelError) throw error
      if (controller.signal.aborted) {
        throw new ModelError('provider_timeout', { detail: 'the token endpoint did not answer' })
      }
      const detail = `token endpoint: ${errorLine(error, [assertion, ...this.secrets()])}`
      throw new ModelError('provider_unreachable', { detail })
    } finally {
      watchdog.stop()
    }
  }

  /** A 4xx here concerns our key, with any status: it is never the caller's fault. */
  #refused(response: Response, text: string, truncated: boolean, now: number): ModelError {
    const failure = failureOfStatus(response, text, truncated, { secrets: this.secrets(), now })
    if (failure.fault === 'provider') return failure
    const { status, detail } = failure
    return new ModelError('provider_unauthorized', { status, detail: `token endpoint: ${detail}` })
  }

  async #sign(now: number): Promise<string> {
    const { clientEmail, privateKey, privateKeyId, tokenUri } = this.#account
    const issuedAt = Math.floor(now / 1000)
    // Loaded with the first token: most workers need none.
    const { importPKCS8, SignJWT } = await import('jose')
    try {
      const key = await importPKCS8(privateKey, 'RS256')
      return await new SignJWT({ scope: SCOPE })
        .setProtectedHeader({
          alg: 'RS256',
          typ: 'JWT',
          ...(privateKeyId === null ? {} : { kid: privateKeyId }),
        })
        .setIssuer(clientEmail)
        .setAudience(tokenUri)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ASSERTION_LIFETIME_S)
        .sign(key)
    } catch (error) {
      const detail = `signing with the service account: ${errorLine(error, this.secrets())}`
      throw new ModelError('provider_misconfigured', { detail })
    }
  }
}

function parseToken(text: string, requestedAt: number): CachedToken {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = null // Not quoted below either: it may hold half a token.
  }
  const value = isRecord(body) ? stringOf(body['access_token']) : null
  const lifetime = isRecord(body) ? Number(body['expires_in']) : NaN
  if (value === null || !(lifetime > 0)) {
    const detail = 'token endpoint: no access_token with a lifetime'
    throw new ModelError('provider_malformed_response', { detail })
  }
  // A token that lives shorter than the margin would be asked for with every call.
  const margin = Math.min(RENEW_BEFORE_MS, (lifetime * 1000) / 2)
  return { value, renewAt: requestedAt + lifetime * 1000 - margin }
}
