import * as z from 'zod'

// A global of Node, Deno and the platform alike. Importing node:process instead makes `deno check`
// look for @types/node, which a function's own deno.json does not have.
declare const process: { readonly env: Variables }

/** The variables of the platform and of the project, read once and validated. */
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
  /** Verification keys of access tokens; null when they are read from the issuer. */
  readonly jwks: { readonly keys: readonly ({ kty: string } & Record<string, unknown>)[] } | null
  readonly models: ModelVariables
  /** Where the providers are reached, also with keys that organizations bring. */
  readonly providerAddresses: ProviderAddresses
  /** Keys that seal secrets, as written; for `readKeyset`. */
  readonly tokenEncryptionKeys?: string
  /** Addresses of clients, as written; for `readRedirectAllowList`. */
  readonly oauthRedirectAllowList?: string
  /** Where the function `oauth` is reached from outside, without a trailing slash. */
  readonly oauthPublicUrl?: string
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

const keysByName = z.record(z.string(), z.string().min(1))
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) })

/**
 * Reads the variables. Messages name variables and what is wrong with them, never their values.
 * @throws Error that lists every problem at once
 */
export function readEnv(variables: Variables = process.env): Env {
  const problems: string[] = []
  const value = (name: string) => variables[name]?.trim() || undefined
  const json = <Schema extends z.ZodType>(name: string, schema: Schema, expected: string) => {
    const text = value(name)
    if (text === undefined) return undefined
    const parsed = schema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    problems.push(`${name} is not ${expected}`)
    return undefined
  }
  const key = (keys: Readonly<Record<string, string>>, name: string, legacy: string) => {
    const found = keys.default ?? value(legacy)
    if (found === undefined) {
      problems.push(`${name} has no key named "default", and ${legacy} is not set either`)
    }
    return found ?? ''
  }
  const named = 'a JSON object of keys by name'
  const publishableKeys = json('SUPABASE_PUBLISHABLE_KEYS', keysByName, named) ?? {}
  const secretKeys = json('SUPABASE_SECRET_KEYS', keysByName, named) ?? {}
  const supabaseUrl = origin(value('SUPABASE_URL'), problems)
  const env: Env = {
    supabaseUrl,
    localStack: isLocalStack(supabaseUrl),
    publishableKey: key(publishableKeys, 'SUPABASE_PUBLISHABLE_KEYS', 'SUPABASE_ANON_KEY'),
    secretKey: key(secretKeys, 'SUPABASE_SECRET_KEYS', 'SUPABASE_SERVICE_ROLE_KEY'),
    secretKeys,
    jwks: json('SUPABASE_JWKS', keySet, 'a JSON Web Key Set') ?? null,
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
    ...optional('oauthPublicUrl', value('OAUTH_PUBLIC_URL')?.replace(/\/+$/, '')),
  }
  if (problems.length > 0) throw new Error(`Configuration: ${problems.join('; ')}`)
  return env
}

// Whether the values are of use is for the adapters to say, when the function that has them starts.
function readModels(value: (name: string) => string | undefined): ModelVariables {
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

function origin(text: string | undefined, problems: string[]): string {
  if (text === undefined) problems.push('SUPABASE_URL is not set')
  else if (!/^https?:\/\/[^/?#]+\/?$/.test(text) || !URL.canParse(text)) {
    problems.push('SUPABASE_URL is not an http(s) origin')
  }
  return (text ?? '').replace(/\/$/, '')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // No schema accepts undefined: the caller names the variable, not its value.
  }
}

/** Only a local stack has such an address; a hosted project is https everywhere. */
function isLocalStack(supabaseUrl: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(supabaseUrl)
}
