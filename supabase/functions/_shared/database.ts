import { PostgrestClient } from '@supabase/postgrest-js'
import type { Database as Schema, Json } from './database.types.ts'
import { sha256Hex } from './crypto/secret.ts'
import { AppError, errorCodes, isErrorCode, toAppError, type ErrorCode } from './errors.ts'
import { isRecord } from './json.ts'
import { createObjects, type Objects } from './objects.ts'
import { type Clock, sleep, systemClock } from './time.ts'

type Functions = Schema['public']['Functions']
// Only the caller of a function knows the shape of its jsonb.
type Value<Type> = Json extends Type ? unknown : Type

/** Arguments of a function of schema public. An undefined one takes its default in SQL. */
export type Arguments<Name extends keyof Functions> = {
  readonly [Key in keyof Functions[Name]['Args']]: Value<Functions[Name]['Args'][Key]> | undefined
}

interface Client<Role extends string> {
  /** The role of the statements; its type keeps the two clients apart. */
  readonly role: Role
  /**
   * Calls a function of schema public and returns what it returned.
   * @throws AppError the code the function raised, or what its SQLSTATE stands for
   */
  call<Name extends keyof Functions>(
    name: Name,
    args: Arguments<Name>,
  ): Promise<Value<Functions[Name]['Returns']>>
}

/** The caller's own client: every statement runs under their row level security. */
export type Db = Client<'authenticated'> & Pick<Objects, 'readObject'>
/** The service role's client, for rows that a caller must not be able to write. */
export type Admin = Client<'service_role'> & Pick<Objects, 'removeObjects'>

export interface DatabaseOptions {
  readonly supabaseUrl: string
  readonly publishableKey: string
  readonly secretKey: string
  /** Milliseconds after which a call is given up. */
  readonly timeout?: number
  readonly fetch?: typeof fetch
  readonly clock?: Clock
  readonly random?: () => number
}

/** Whom an API key acts as. A key keeps all of it for as long as it exists. */
export interface KeyIdentity {
  readonly userId: string
  readonly sessionId: string
  readonly organizationId: number
}

export interface Database {
  /** A client in the name of a verified access token, or of an API key. */
  forCaller(credential: string): Db
  /**
   * Whom an API key acts as, asked once per worker and key. Each statement checks the key again.
   * @throws AppError `unauthorized`
   */
  identify(apiKey: string): Promise<KeyIdentity>
  readonly admin: Admin
}

/** Whether a credential has the form of an API key: `clq_` and 256 bits in base64url. */
export const isApiKey = (credential: string): boolean => /^clq_[\w-]{43}$/.test(credential)

/** API keys whose person a worker remembers. */
const remembered = 1_000

/**
 * Builds the clients. Only this file gives a connection a key of the project. The first call reads
 * address and keys, so that a missing variable fails no start.
 */
export function createDatabase(options: DatabaseOptions): Database {
  const open = (keysOf: () => { apikey: string; token: string }, person?: string): Rpc => {
    let postgrest: PostgrestClient | undefined
    const connect = () => {
      const { apikey, token } = keysOf()
      return new PostgrestClient(`${options.supabaseUrl}/rest/v1`, {
        headers: {
          apikey,
          authorization: `Bearer ${token}`,
          // With the secret key: whose request it is, for the queue of a gateway before PostgREST.
          ...(person !== undefined && { 'x-acting-person': person }),
        },
        fetch: fetchWhole(options),
      })
    }
    return async (name, args) => {
      const rest = (postgrest ??= connect())
      const answer = await untilTurn(async () => await rest.rpc(name, args), options)
      if (answer.error) throw databaseError(answer.error, answer.status)
      return answer.data as never
    }
  }
  const objects = (keysOf: () => { apikey: string; token: string }) =>
    createObjects({ supabaseUrlOf: () => options.supabaseUrl, keysOf, fetch: fetchWhole(options) })
  const secretKeys = () => ({ apikey: options.secretKey, token: options.secretKey })
  const admin: Admin = { ...objects(secretKeys), role: 'service_role', call: open(secretKeys) }
  const identities = new Map<string, KeyIdentity>()
  /** One function checks the key and acts as its session, within one transaction. */
  const forKey = (apiKey: string): Db => {
    const send = open(secretKeys, identities.get(apiKey)?.userId)
    return {
      role: 'authenticated',
      // Storage asks its policies with an access token, which a key does not have.
      readObject: () => Promise.reject(new AppError('file_not_found')),
      async call(name, args) {
        const key_hash = await sha256Hex(apiKey)
        return (await send('act_with_api_key', { key_hash, call: name, arguments: args })) as never
      },
    }
  }
  return {
    admin,
    forCaller(credential) {
      if (isApiKey(credential)) return forKey(credential)
      const keysOf = () => ({ apikey: options.publishableKey, token: credential })
      return { ...objects(keysOf), role: 'authenticated', call: open(keysOf) }
    },
    async identify(apiKey) {
      const known = identities.get(apiKey)
      if (known) return known
      const found = await admin.call('identify_api_key', { key_hash: await sha256Hex(apiKey) })
      const { user_id, session_id, organization_id } = found as KeyRow
      const identity = { userId: user_id, sessionId: session_id, organizationId: organization_id }
      identities.set(apiKey, identity)
      const [oldest] = identities.keys()
      if (identities.size > remembered && oldest !== undefined) identities.delete(oldest)
      return identity
    },
  }
}

type Rpc = Client<string>['call']

/** What `identify_api_key` answers. */
interface KeyRow {
  readonly user_id: string
  readonly session_id: string
  readonly organization_id: number
}

/**
 * Pauses in milliseconds before the second and each later try, on average. Together they last at most
 * 27 s. A database that refuses at once thus has them all within the lease of an execution (30 s), and
 * nobody else ends what waits to be stored. One that does not answer takes 10 s more for each of the
 * seven tries: 97 s, within the lease of a refresh (120 s).
 */
const pauses = [100, 400, 1_500, 3_000, 5_000, 8_000]

/**
 * Stores a result that cannot be produced again, with retries while the database is unreachable.
 * For functions whose second call changes nothing.
 * @throws AppError of the last try
 */
export async function untilStored<Result>(
  store: () => Promise<Result>,
  { clock, random }: { readonly clock: Clock; readonly random: () => number },
): Promise<Result> {
  for (const pause of pauses) {
    try {
      return await store()
    } catch (error) {
      // Only failures that may pass; a refusal would be repeated.
      if (toAppError(error).code !== 'database_unavailable') throw error
      await sleep(clock, pause * (0.5 + random()))
    }
  }
  return store()
}

/**
 * The longest pause in milliseconds before a call without a turn is sent again; the shortest is
 * half of it.
 */
const turns = [100, 200, 400, 800, 1_600]

/**
 * Sends a call again, for three seconds, while too many requests of its caller run. The database
 * refuses such a call before it executes it (private.check_request()), and never the service role's.
 */
async function untilTurn<Answer extends { error: PostgrestFailure | null }>(
  send: () => Promise<Answer>,
  { clock = systemClock, random = Math.random }: DatabaseOptions,
): Promise<Answer> {
  for (const pause of turns) {
    const answer = await send()
    if (answer.error?.code !== 'PT429' || answer.error.message !== 'too_many_requests')
      return answer
    await sleep(clock, pause * (0.5 + random() / 2))
  }
  return send()
}

/** Not the client's own time-out, which ends with the head of an answer: the body may stall. */
function fetchWhole({ timeout = 10_000, fetch: send = fetch }: DatabaseOptions): typeof fetch {
  return async (input, init) => {
    const response = await send(input, { ...init, signal: AbortSignal.timeout(timeout) })
    const body = await response.arrayBuffer()
    // Used after its body, so that it is held until then: once Deno (2.9.6) has collected a Response,
    // aborting no longer reaches the body.
    return new Response(body.byteLength === 0 ? null : body, response)
  }
}

/** The codes a standard SQLSTATE may carry as its message; the first stands for any other message. */
const codesOf: Readonly<Record<string, readonly [ErrorCode, ...ErrorCode[]]>> = {
  '22023': ['invalid_request'],
  '23505': ['conflict', 'idempotency_conflict'],
  '42501': ['permission_denied', 'no_organization'],
}
// Their details are sentences, and their hints facts, that our own functions wrote for this very request.
const explained: readonly ErrorCode[] = [
  'invalid_request',
  'circuit_open',
  'budget_exceeded',
  'quota_exceeded',
  'rate_limited',
  'too_many_executions',
  'too_many_requests',
]
// Connections, resources, locks, cancelled statements, disks, a database that takes no writes because it is
// a standby or its disk is full, and PostgREST without a database.
const transient = /^(?:08...|53...|57...|58...|25006|55P03|40001|40P01|PGRST00\d)$/

/**
 * Whether a later try may get an answer. A proxy before PostgREST may report this by its status
 * alone.
 */
function isTransient({ code, message }: PostgrestFailure, status: number): boolean {
  if (status === 0 || (status >= 502 && status <= 504)) return true
  // The SQLSTATE has other meanings too; here a database is closed to everyone.
  if (code === '55000') return /\bnot (?:currently )?accepting connections\b/.test(message)
  return transient.test(code)
}

/** What PostgREST answers for a failed statement. */
export interface PostgrestFailure {
  /** The SQLSTATE, or PostgREST's own `PGRST…`; empty when no answer came. */
  readonly code: string
  readonly message: string
  readonly details?: string | null
  readonly hint?: string | null
}

/** Turns a failed statement into the error its raised message names, or its SQLSTATE stands for. */
export function databaseError(failure: PostgrestFailure, status: number): AppError {
  const cause = `${failure.code || 'no SQLSTATE'} (${status}): ${failure.message}`
  const code = raisedCode(failure)
  if (code) {
    const isOurs = code === failure.message && explained.includes(code)
    const sentence = isOurs ? failure.details : undefined
    // A refused field is named before its sentence, as in a refusal of ours.
    const path = code === 'invalid_request' ? /^([\w.]+): /.exec(sentence ?? '')?.[1] : undefined
    const { retry_after: wait, ...details } = isOurs ? readHint(failure.hint) : {}
    return new AppError(code, {
      cause,
      ...(sentence && { message: sentence }),
      ...(path !== undefined && { path }),
      ...(wait !== undefined && { headers: { 'retry-after': String(wait) } }),
      ...(Object.keys(details).length > 0 && { details }),
    })
  }
  if (/^PGRST30\d$/.test(failure.code)) return new AppError('unauthorized', { cause })
  if (isTransient(failure, status)) return new AppError('database_unavailable', { cause })
  return new AppError('internal_error', { cause })
}

/**
 * An error that our own functions raised. Only they raise PTxyz, which PostgREST answers with
 * status xyz.
 */
function raisedCode({ code, message }: PostgrestFailure): ErrorCode | undefined {
  if (code.startsWith('PT')) {
    return isErrorCode(message) && code === `PT${errorCodes[message].status}` ? message : undefined
  }
  const codes = codesOf[code]
  return codes?.find((known) => known === message) ?? codes?.[0]
}

type Facts = Readonly<Record<string, string | number | null>>

/** What our own functions raise with a refusal: one flat JSON object, `retry_after` in seconds. */
function readHint(hint: string | null | undefined): Facts {
  if (!hint) return {}
  const facts: unknown = JSON.parse(hint)
  const isFact = (fact: unknown) => fact === null || ['string', 'number'].includes(typeof fact)
  if (isRecord(facts) && Object.values(facts).every(isFact)) return facts as Facts
  throw new TypeError('the hint of a refusal is no flat object')
}
