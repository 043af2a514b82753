import { createClient } from '@supabase/supabase-js'
import { ColloquyChatTransport } from 'colloquy/client'
import type { Database } from 'colloquy/database'

/** What serve.ts knows: where the backend is. */
interface Config {
  readonly url: string
  readonly publishableKey: string
}

export const { url, publishableKey } = (await (await fetch('/config.json')).json()) as Config
const agent = new URLSearchParams(location.search).get('agent') ?? 'droid'

export const supabase = createClient<Database>(url, publishableKey, {
  // Otherwise an address with foreign tokens would sign the person in to the account of its sender.
  auth: { flowType: 'pkce' },
})

export const transport = new ColloquyChatTransport({
  url,
  publishableKey,
  accessToken: async () => (await supabase.auth.getSession()).data.session?.access_token,
  settings: { agent },
})
