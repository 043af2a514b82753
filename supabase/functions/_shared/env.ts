import { cutEnd } from './cut-end.ts'
import { AppError, notConfigured } from './errors.ts'
import { isRecord } from './json.ts'

// A global of Node, Deno and the platform alike. Importing node:process instead makes `deno check`
// look for @types/node, which a function's own deno.json does not have.
declare const process: { readonly env: Variables }

/**
 * The variables of the platform and of the project. A value is read and validated when it is used.
 * A missing or wrong variable throws AppError `not_configured`, whose cause names it, and fails
 * only the code that needs it.
 */
export interface Env {
  /** Origin of the project, without a trailing slash. */
  readonly supabaseUrl: string
  /** Whether this is a stack on the developer’s machine: servers on it may be reached too. */
  readonly localStack: boolean
  readonly publishableKey: string
  /** The key of the service role. */
  readonly secretKey: string
  /** Secret keys by name; a named one is accepted by one function only. */
  readonly secretKeys: Readonly<Record<string, string>>
  /** Who signs access tokens: `iss` in each of them. */
  readonly jwtIssuer: string
  /**
   * Verification keys of access tokens, none on a project that signs with a shared secret; null when
   * they are read from the issuer.
   */
  readonly jwks: KeySet | null
  readonly models: ModelVariables
  /** Where the providers are reached, also with keys that organizations bring. */
  readonly providerAddresses: ProviderAddresses
  /** Keys that seal secrets, as written; for `readKeyset`. */
  readonly tokenEncryptionKeys?: string
  /** Addresses of clients, as written; for `readRedirectAllowList`. */
  readonly oauthRedirectAllowList?: string
  /** Seconds for which the platform lets a worker live; null where it has no bound. */
  readonly workerSeconds: number | null
  /** Where the function `oauth` is reached from outside, without a trailing slash. */
  readonly oauthPublicUrl: string
}

export interface KeySet {
  readonly keys: readonly ({ kty: string } & Record<string, unknown>)[]
}

/** Credentials and addresses of the models' providers; one without a key is absent. */
export interface ModelVariables {
  readonly openrouter?: { readonly apiKey: string; readonly baseUrl?: string }
  readonly vertexAi?: {
    /** The JSON of a service account's key file. */
    readonly serviceAccount: string
    readonly project?: string
    readonly location?: string
    readonly baseUrl?: string
  }
}

/** Addresses of the models' providers; what is absent is the provider's own. */
export interface ProviderAddresses {
  readonly openrouter: { readonly baseUrl?: string }
  readonly vertexAi: {
    readonly location?: string
    readonly baseUrl?: string
    /** The platform's own service account, whose token endpoint serves every other one too. */
    readonly serviceAccount?: string
  }
}

export type Variables = Readonly<Record<string, string | undefined>>

/** The key that schedulers have, for one function alone. */
const schedulerKey = 'session_cleanup'

/** Reads the variables. Messages name variables and what is wrong with them, never their values. */
export function readEnv(variables: Variables = process.env): Env {
  const value = (name: string) => variables[name]?.trim() || undefined
  const supabaseUrl = () => readOrigin(value('SUPABASE_URL'))
  const publicUrl = value('OAUTH_PUBLIC_URL')
  return {
    get supabaseUrl() {
      return supabaseUrl()
    },
    localStack: isLocalStack(value('SUPABASE_URL')),
    get publishableKey() {
      return readKey(
        value,
        'SUPABASE_PUBLISHABLE_KEYS',
        'PUBLISHABLE_KEY_NAME',
        'SUPABASE_ANON_KEY',
      )
    },
    get secretKey() {
      return readKey(value, 'SUPABASE_SECRET_KEYS', 'SECRET_KEY_NAME', 'SUPABASE_SERVICE_ROLE_KEY')
    },
    get secretKeys() {
      return readKeys(value, 'SUPABASE_SECRET_KEYS')
    },
    get jwtIssuer() {
      const issuer = value('JWT_ISSUER')
      return issuer === undefined ? `${supabaseUrl()}/auth/v1` : readUrl('JWT_ISSUER', issuer)
    },
    get jwks() {
      return readJson(value, 'SUPABASE_JWKS', toKeySet, 'a JSON Web Key Set') ?? null
    },
    models: readModels(value),
    providerAddresses: {
      openrouter: optional('baseUrl', value('OPENROUTER_BASE_URL')),
      vertexAi: {
        ...optional('location', value('VERTEX_LOCATION')),
        ...optional('baseUrl', value('VERTEX_BASE_URL')),
        ...optional('serviceAccount', value('VERTEX_SERVICE_ACCOUNT')),
      },
    },
    ...optional('tokenEncryptionKeys', value('TOKEN_ENCRYPTION_KEYS')),
    ...optional('oauthRedirectAllowList', value('OAUTH_REDIRECT_ALLOW_LIST')),
    get workerSeconds() {
      const local = isLocalStack(value('SUPABASE_URL'))
      return readSeconds('WORKER_SECONDS', value('WORKER_SECONDS')) ?? (local ? null : 150)
    },
    get oauthPublicUrl() {
      return publicUrl === undefined
        ? `${supabaseUrl()}/functions/v1/oauth`
        : cutEnd(readUrl('OAUTH_PUBLIC_URL', publicUrl), '/')
    },
  }
}

/** The missing and wrong variables of each function, for its log at the start. */
export function findProblems(env: Env): string[] {
  const problems = (Object.keys(env) as (keyof Env)[]).flatMap((name) => {
    try {
      void env[name]
      return []
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return [String(error.cause)]
    }
  })
  return [...new Set(problems)]
}

type ReadValue = (name: string) => string | undefined

function readJson<Value>(
  value: ReadValue,
  name: string,
  read: (json: unknown) => Value | null,
  expected: string,
): Value | undefined {
  const text = value(name)
  if (text === undefined) return undefined
  const found = read(parseJson(text))
  if (found !== null) return found
  throw notConfigured(`${name} is not ${expected}`)
}

// Checked by hand: a library for it would be most of the start of a function.
function toKeysByName(json: unknown): Readonly<Record<string, string>> | null {
  const isKey = (key: unknown) => typeof key === 'string' && key !== ''
  return isRecord(json) && Object.values(json).every(isKey)
    ? (json as Record<string, string>)
    : null
}

/** Some tools give the bare list of keys. */
function toKeySet(json: unknown): KeySet | null {
  const keys = isRecord(json) ? json['keys'] : json
  const isKey = (key: unknown) => isRecord(key) && typeof key['kty'] === 'string'
  return Array.isArray(keys) && keys.every(isKey) ? { keys } : null
}

function readKeys(value: ReadValue, variable: string): Readonly<Record<string, string>> {
  return readJson(value, variable, toKeysByName, 'a JSON object of keys by name') ?? {}
}

/** The key that a variable names, else the one named `default`, else the only one, else the older one. */
function readKey(value: ReadValue, variable: string, naming: string, legacy: string): string {
  const keys = readKeys(value, variable)
  const name = value(naming)
  if (name !== undefined) {
    const named = keys[name]
    if (named !== undefined) return named
    throw notConfigured(`${variable} has no key of the name that ${naming} gives`)
  }
  const others = Object.keys(keys).filter((other) => other !== schedulerKey)
  const only = others.length === 1 ? keys[others[0] ?? ''] : undefined
  const found =
    keys['default'] ??
    only ??
    value(legacy) ??
    (others.length === 0 ? keys[schedulerKey] : undefined)
  if (found !== undefined) return found
  if (others.length > 1) {
    throw notConfigured(`${variable} has several keys, none named "default": name one in ${naming}`)
  }
  throw notConfigured(`${variable} has no key, and ${legacy} is not set either`)
}

// The adapters validate the values when the function starts.
function readModels(value: ReadValue): ModelVariables {
  const openrouterKey = value('OPENROUTER_API_KEY')
  const serviceAccount = value('VERTEX_SERVICE_ACCOUNT')
  return {
    ...(openrouterKey && {
      openrouter: { apiKey: openrouterKey, ...optional('baseUrl', value('OPENROUTER_BASE_URL')) },
    }),
    ...(serviceAccount && {
      vertexAi: {
        serviceAccount,
        ...optional('project', value('VERTEX_PROJECT')),
        ...optional('location', value('VERTEX_LOCATION')),
        ...optional('baseUrl', value('VERTEX_BASE_URL')),
      },
    }),
  }
}

function optional<Name extends string>(
  name: Name,
  value: string | undefined,
): Partial<Record<Name, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, string>)
}

function readOrigin(text: string | undefined): string {
  if (text === undefined) throw notConfigured('SUPABASE_URL is not set')
  if (!/^https?:\/\/[^/?#]+\/?$/.test(text) || !URL.canParse(text)) {
    throw notConfigured('SUPABASE_URL is not an http(s) origin')
  }
  return text.replace(/\/$/, '')
}

function readSeconds(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : 0
  // Half of it is for requests, and an answer that waited needs 30 s.
  if (seconds >= 60) return seconds
  throw notConfigured(`${name} is not a number of seconds from 60 to 999999`)
}

function readUrl(name: string, text: string): string {
  if (/^https?:\/\/[^?#]+$/.test(text) && URL.canParse(text)) return text
  throw notConfigured(`${name} is not an http(s) URL`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Nothing accepts undefined: the caller names the variable, not its value.
  }
}

/** Only a local stack has such an address; a hosted project is https everywhere. */
function isLocalStack(supabaseUrl = ''): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\/?$/.test(supabaseUrl)
}
