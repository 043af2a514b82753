import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import type { Database } from '../../../supabase/functions/_shared/database.types.ts'

/** A supabase-js client that knows the tables and functions of this database. */
export type Client = SupabaseClient<Database>

/** supabase-js wants a WebSocket, which Node.js has from version 22; no test uses Realtime. */
class NoRealtime {
  constructor() {
    throw new Error('The tests do not use Realtime.')
  }
}

/** A supabase-js client for one device: sessions are kept in memory and not shared. */
export function openClient(url: string, key: string, request?: typeof fetch): Client {
  return createClient<Database>(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: NoRealtime as never },
    ...(request && { global: { fetch: request } }),
  })
}
