import { errors, jwtVerify, type JWTPayload } from 'jose'
import type { PgPool } from '../postgres/pg-pool.ts'
import type { Secrets } from '../postgres/secrets.ts'

/** Realtime refuses a channel; its client receives the reason. */
export class ChannelRefused extends Error {
  override name = 'ChannelRefused'
}

const roles = ['anon', 'authenticated', 'service_role']

/**
 * The claims of an access token, or of an API key in its place.
 * @throws ChannelRefused
 */
export async function readToken(token: unknown, secrets: Secrets): Promise<JWTPayload> {
  if (token === secrets.publishableKey) return { role: 'anon' }
  if (token === secrets.secretKey) return { role: 'service_role' }
  if (typeof token !== 'string') throw new ChannelRefused('MalformedJWT: The token is missing')
  const key = new TextEncoder().encode(secrets.jwtSecret)
  try {
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'] })
    return payload
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    throw new ChannelRefused(
      error instanceof errors.JWTExpired
        ? 'InvalidJWTToken: Token has expired'
        : 'JwtSignatureError: Failed to validate JWT signature',
    )
  }
}

/**
 * Asks the policies of realtime.messages as the platform does: whether the caller would read a
 * message of the topic that is there for as long as the question takes.
 * @throws ChannelRefused
 */
export async function requireHearer(
  pool: PgPool,
  topic: string,
  claims: JWTPayload,
): Promise<void> {
  const role = roles.find((name) => name === claims.role) ?? 'anon'
  const client = await pool.connect()
  let isHearer = false
  try {
    await client.query('begin', [])
    const written = await client.query(
      `insert into realtime.messages (topic, extension, private)
        values ($1, 'broadcast', true) returning id`,
      [topic],
    )
    await client.query(
      `select set_config('role', $1, true), set_config('realtime.topic', $2, true),
        set_config('request.jwt.claims', $3, true)`,
      [role, topic, JSON.stringify(claims)],
    )
    const read = await client.query('select from realtime.messages where id = $1', [
      written.rows[0]?.['id'],
    ])
    isHearer = read.rows.length > 0
  } finally {
    await client.query('rollback', []).finally(() => client.release())
  }
  if (!isHearer) {
    throw new ChannelRefused(
      `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`,
    )
  }
}
