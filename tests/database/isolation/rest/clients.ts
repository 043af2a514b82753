import { createHmac, randomBytes } from 'node:crypto'
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { useStack } from '../../../support/stack/stack.ts'
import type { Actor } from '../actors.ts'

/** supabase-js as an application has it, with no types: the catalog says what there is. */
export type PlainClient = SupabaseClient

/** Four hexadecimal digits that tell this run's values from another's on the same stack. */
export const newRun = (): string => randomBytes(2).toString('hex')

class NoRealtime {
  constructor() {
    throw new Error('The tests do not use Realtime.')
  }
}

/** A token with these claims, whatever they are, as the stack itself would sign it (HS256). */
export function signToken(claims: Readonly<Record<string, unknown>>): string {
  const { url, jwtSecret } = useStack()
  const now = Math.floor(Date.now() / 1000)
  const payload = {
    aud: 'authenticated',
    ...claims,
    iss: `${url}/auth/v1`,
    iat: now,
    exp: now + 3600,
  }
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(payload)}`
  return `${signed}.${createHmac('sha256', jwtSecret).update(signed).digest('base64url')}`
}

/** A client of the running stack that acts with a token; with a key alone when there is none. */
export function clientWith(key: string, token?: string): PlainClient {
  const client: unknown = createClient(useStack().url, key, {
    realtime: { transport: NoRealtime as never },
    ...(token === undefined
      ? { auth: { persistSession: false, autoRefreshToken: false } }
      : { accessToken: () => Promise.resolve(token) }),
  })
  return client as PlainClient
}

export function clientFor(actor: Actor): PlainClient {
  const { publishableKey, secretKey } = useStack()
  if (actor.role === 'anon') return clientWith(publishableKey)
  if (actor.role === 'service_role') return clientWith(secretKey)
  return clientWith(publishableKey, signToken(actor.claims))
}
