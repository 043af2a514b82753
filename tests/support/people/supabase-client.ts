import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { WebSocket } from 'ws'
import type { Database } from '../../../supabase/functions/_shared/database.types.ts'

/** A supabase-js client that knows the tables and functions of this database. */
export type Client = SupabaseClient<Database>

/** A supabase-js client for one device: sessions are kept in memory and not shared. */
export function openClient(url: string, key: string, request?: typeof fetch): Client {
  return createClient<Database>(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    // Node.js has a WebSocket of its own from version 22.
    realtime: { transport: WebSocket as never },
    ...(request && { global: { fetch: request } }),
  })
}
