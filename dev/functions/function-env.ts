import type { Database } from '../postgres/database.ts'
import type { Secrets } from '../postgres/secrets.ts'
import type { ModelServer } from './model-server.ts'

export interface FunctionEnvOptions {
  url: string
  database: Pick<Database, 'ownerUrl'>
  secrets: Secrets
  modelServer: ModelServer
  /** The developer's environment, whose values win. */
  env: Record<string, string | undefined>
}

/** The functions' own variables (design: configuration of the functions), in .env.example. */
const OPENROUTER = ['OPENROUTER_API_KEY', 'OPENROUTER_BASE_URL'] as const
const VERTEX = [
  'VERTEX_PROJECT',
  'VERTEX_LOCATION',
  'VERTEX_SERVICE_ACCOUNT',
  'VERTEX_BASE_URL',
] as const
const OTHERS = [
  'TOKEN_ENCRYPTION_KEYS',
  'OAUTH_REDIRECT_ALLOW_LIST',
  'OAUTH_PUBLIC_URL',
  'JWT_ISSUER',
  'PUBLISHABLE_KEY_NAME',
  'SECRET_KEY_NAME',
] as const

/** The variables a function sees: the platform's, and the project's with local defaults. */
export function functionEnv(options: FunctionEnvOptions): Record<string, string> {
  const { url, database, secrets, modelServer, env } = options
  const defaults: Record<string, string> = {
    TOKEN_ENCRYPTION_KEYS: secrets.tokenEncryptionKeys,
    // The page itself, and where the pages of examples run.
    OAUTH_REDIRECT_ALLOW_LIST: `http://127.0.0.1:3000,http://localhost:3000,${url}`,
    // A provider that the developer has configured is called with that configuration only: a real
    // key must never be sent to the local server, nor the local key to a real server.
    ...(usesLocalOpenRouter(env) ? modelServer.openrouter : {}),
    ...(usesLocalVertex(env) ? modelServer.vertex : {}),
  }
  const own = [...OPENROUTER, ...VERTEX, ...OTHERS].flatMap((name) => {
    const value = given(env, name) ?? defaults[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...platformEnv(url, database, secrets), ...Object.fromEntries(own) }
}

export function usesLocalOpenRouter(env: FunctionEnvOptions['env']): boolean {
  return OPENROUTER.every((name) => given(env, name) === undefined)
}

export function usesLocalVertex(env: FunctionEnvOptions['env']): boolean {
  return VERTEX.every((name) => given(env, name) === undefined)
}

function given(env: FunctionEnvOptions['env'], name: string): string | undefined {
  const value = env[name]
  return value === '' ? undefined : value
}

/**
 * The variables that the platform gives every function (Supabase, Edge Functions: Default secrets).
 */
function platformEnv(url: string, database: { ownerUrl: string }, secrets: Secrets) {
  const k = Buffer.from(secrets.jwtSecret).toString('base64url')
  return {
    SUPABASE_URL: url,
    SUPABASE_DB_URL: database.ownerUrl,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: secrets.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({
      default: secrets.secretKey,
      session_cleanup: secrets.cleanupKey,
    }),
    SUPABASE_JWKS: JSON.stringify({ keys: [{ kty: 'oct', k, alg: 'HS256', kid: 'local' }] }),
  }
}
