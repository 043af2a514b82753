import { errors, jwtVerify, type JWTPayload } from 'jose'
import type { Sql } from 'postgres'
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
export async function requireHearer(sql: Sql, topic: string, claims: JWTPayload): Promise<void> {
  const role = roles.find((name) => name === claims.role)
  let isHearer = false
  const undo = new Error('undo')
  try {
    await sql.begin(async (tx) => {
      const [message] = await tx<{ id: string }[]>`
        insert into realtime.messages (topic, extension, private)
        values (${topic}, 'broadcast', true) returning id`
      await tx`
        select set_config('role', ${role ?? 'anon'}, true),
          set_config('realtime.topic', ${topic}, true),
          set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`
      const rows = await tx`select from realtime.messages where id = ${message?.id ?? null}`
      isHearer = rows.length > 0
      throw undo
    })
  } catch (error) {
    if (error !== undo) throw error
  }
  if (!isHearer) {
    throw new ChannelRefused(
      `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`,
    )
  }
}
