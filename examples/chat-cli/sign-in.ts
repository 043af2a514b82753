import { randomUUID } from 'node:crypto'

import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import type { Database } from 'colloquy/database'

export type Client = SupabaseClient<Database>

export interface Account {
  email: string
  password: string
}

/** supabase-js wants a WebSocket, which Node.js has from version 22; this client needs none. */
class NoRealtime {
  constructor() {
    throw new Error('This client does not use Realtime.')
  }
}

/**
 * A client that is signed in, with a token that carries an organization.
 *
 * @param account an existing one; without it a new one is made, with an organization of its own
 * @throws AuthError, PostgrestError
 */
export async function signIn(url: string, key: string, account?: Account): Promise<Client> {
  const client = createClient<Database>(url, key, {
    auth: { persistSession: false },
    realtime: { transport: NoRealtime as never },
  })
  if (account !== undefined) {
    const { error } = await client.auth.signInWithPassword(account)
    if (error !== null) throw error
    return client
  }
  const name = `chat-${randomUUID().slice(0, 13)}`
  const created = { email: `${name}@example.com`, password: randomUUID() }
  const signUp = await client.auth.signUp(created)
  if (signUp.error !== null) throw signUp.error
  const founded = await client.rpc('create_organization', { name, slug: name })
  if (founded.error !== null) throw founded.error
  // The token was issued before there was an organization; the next one carries it.
  const refreshed = await client.auth.refreshSession()
  if (refreshed.error !== null) throw refreshed.error
  console.log(`New account: EMAIL=${created.email} PASSWORD=${created.password}`)
  return client
}
