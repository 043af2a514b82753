import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { ColloquyChatTransport, Connection } from 'colloquy/client'
import type { Database } from 'colloquy/database'
import { createContext, useContext } from 'react'
import { takeTurns } from './take-turns.ts'

/** The file beside the page that says where the backend is. */
interface Config {
  /** Absent where the page's own origin is the project. */
  readonly url?: string
  readonly publishableKey: string
}

export interface Backend {
  /** The project's address. */
  readonly url: string
  readonly supabase: SupabaseClient<Database>
  readonly transport: ColloquyChatTransport
  /** For the functions. */
  readonly connection: Connection
}

export async function connect(): Promise<Backend> {
  const response = await fetch('./config.json', { cache: 'no-cache' })
  if (!response.ok) {
    throw new Error('The page has no config.json, which names its project. Add it and reload.')
  }
  const { url = location.origin, publishableKey } = (await response.json()) as Config
  const send = takeTurns((input, init) => fetch(input, init))
  const supabase = createClient<Database>(url, publishableKey, {
    global: { fetch: send },
    // Otherwise an address with foreign tokens would sign the person in to the account of its sender.
    auth: { flowType: 'pkce' },
  })
  const accessToken = async () => (await supabase.auth.getSession()).data.session?.access_token
  const options = { url, publishableKey, accessToken, fetch: send }
  const transport = new ColloquyChatTransport({
    ...options,
    onStopFailed: (error) => console.error(error),
  })
  return { url, supabase, transport, connection: new Connection(options) }
}

export const BackendContext = createContext<Backend | null>(null)

export function useBackend(): Backend {
  const backend = useContext(BackendContext)
  if (!backend) throw new Error('the page is not connected')
  return backend
}

/** The data of an answer of supabase-js. @throws its error */
export function dataOf<Data>(answer: { data: Data; error: Error | null }): NonNullable<Data> {
  if (answer.error !== null) throw answer.error
  if (answer.data === null || answer.data === undefined) throw new Error('The answer is empty.')
  return answer.data
}
