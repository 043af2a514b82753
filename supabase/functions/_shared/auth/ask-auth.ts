import { decodeJwt, errors, type JWTPayload } from 'jose'
import { AppError } from '../errors.ts'

/** @returns null for what is no JSON */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // Who sent it is no Auth; its status says whether it refuses.
  }
}

export interface AskAuthOptions {
  /** Origin of the project, where its Auth is reached. */
  readonly supabaseUrl: string
  readonly publishableKey: string
  readonly fetch?: typeof fetch
  /** Milliseconds after which a request to Auth is given up. */
  readonly timeout?: number
}

/** Whether Auth's answer is about the token; only then is it a refusal. */
const verdicts = new Set([400, 401, 403, 404])
export const patience = 5_000
/** Verified tokens that a worker remembers. */
const remembered = 1_000

/**
 * Verifies tokens that a shared secret signed (HS256). Functions do not hold the secret of a hosted
 * project, so this asks Auth, once per token and worker. It remembers the signature only; every
 * request looks the token's session up in the database.
 */
export class AskAuth {
  readonly #options: AskAuthOptions
  /** By token, in the order in which they were verified. */
  readonly #claims = new Map<string, JWTPayload>()
  /** Questions that Auth has not answered yet: a token that it refuses displaces no verified one. */
  readonly #asked = new Map<string, Promise<JWTPayload>>()

  constructor(options: AskAuthOptions) {
    this.#options = options
  }

  /** @throws JOSEError when Auth refuses the token, AppError `auth_unavailable` when it cannot say */
  async claimsOf(token: string): Promise<JWTPayload> {
    const known = this.#claims.get(token)
    if (known) return known
    const asked = this.#asked.get(token) ?? this.#askAndRemember(token)
    this.#asked.set(token, asked)
    return asked
  }

  async #askAndRemember(token: string): Promise<JWTPayload> {
    try {
      const claims = await this.#ask(token)
      this.#claims.set(token, claims)
      const [oldest] = this.#claims.keys()
      if (this.#claims.size > remembered && oldest !== undefined) this.#claims.delete(oldest)
      return claims
    } finally {
      this.#asked.delete(token)
    }
  }

  async #ask(token: string): Promise<JWTPayload> {
    const claims = decodeJwt(token)
    const { status, body } = await this.#request(token)
    if (verdicts.has(status)) throw new errors.JWSSignatureVerificationFailed()
    const id: unknown = status === 200 ? (body as { id?: unknown } | null)?.id : undefined
    if (id === undefined) {
      throw new AppError('auth_unavailable', { cause: `Auth answered ${status} to GET /user` })
    }
    if (id !== claims.sub) throw new errors.JWSSignatureVerificationFailed()
    return claims
  }

  async #request(token: string): Promise<{ status: number; body: unknown }> {
    const { supabaseUrl, publishableKey, timeout = patience, fetch: send = fetch } = this.#options
    const headers = { apikey: publishableKey, authorization: `Bearer ${token}` }
    try {
      const response = await send(`${supabaseUrl}/auth/v1/user`, {
        headers,
        signal: AbortSignal.timeout(timeout),
      })
      return { status: response.status, body: parseJson(await response.text()) }
    } catch (cause) {
      throw new AppError('auth_unavailable', { cause })
    }
  }
}
