import { generateKeyPair, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { StartError } from '../process/start-error.ts'

const secretsShape = z.strictObject({
  /** HS256 key of every access token (GoTrue's JWT secret). */
  jwtSecret: z.string().min(32),
  publishableKey: z.string().startsWith('sb_publishable_'),
  secretKey: z.string().startsWith('sb_secret_'),
  /** The key named `session_cleanup`: only the function session-cleanup accepts it. */
  cleanupKey: z.string().startsWith('sb_secret_'),
  /** Value of TOKEN_ENCRYPTION_KEYS. */
  tokenEncryptionKeys: z.string(),
  /** PKCS #8 PEM of the service account that the local Vertex AI token endpoint knows. */
  serviceAccountKey: z.string(),
  /** Passwords of the database roles that log in. */
  passwords: z.strictObject({
    supabase_admin: z.string(),
    postgres: z.string(),
    authenticator: z.string(),
    supabase_auth_admin: z.string(),
  }),
})

export type Secrets = z.infer<typeof secretsShape>

/** Reads `<directory>/secrets.json`, or makes it once, readable by its owner only. */
export async function loadSecrets(directory: string): Promise<Secrets> {
  const path = join(directory, 'secrets.json')
  if (!existsSync(path)) {
    const secrets = await generateSecrets()
    writeFileSync(`${path}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
    return secrets
  }
  try {
    return secretsShape.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new StartError(
      `${path} is damaged. Restore it, or run "npm run db:reset" to begin again with an empty database and new secrets.`,
    )
  }
}

async function generateSecrets(): Promise<Secrets> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const random = (bytes: number) => randomBytes(bytes).toString('base64url')
  return {
    jwtSecret: random(48),
    publishableKey: apiKey('publishable'),
    secretKey: apiKey('secret'),
    cleanupKey: apiKey('secret'),
    tokenEncryptionKeys: `local:${randomBytes(32).toString('base64')}`,
    serviceAccountKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    passwords: {
      supabase_admin: random(24),
      postgres: random(24),
      authenticator: random(24),
      supabase_auth_admin: random(24),
    },
  }
}

/** An API key in the platform's form: prefix, 22 random characters, 8 more. */
function apiKey(type: 'publishable' | 'secret'): string {
  const random = (length: number) => randomBytes(32).toString('base64url').slice(0, length)
  return `sb_${type}_${random(22)}_${random(8)}`
}
