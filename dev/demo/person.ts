import { randomUUID } from 'node:crypto'
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import type { Database } from '../../supabase/functions/_shared/database.types.ts'
import { type DemoReport, describe } from './report.ts'
import type { DemoTarget } from './target.ts'

export type Client = SupabaseClient<Database>

export interface DemoPerson {
  name: string
  id: string
  /** Signed in, as the person's browser would be. */
  client: Client
  organization: { id: number; name: string }
}

/** supabase-js wants a WebSocket, which Node.js has from version 22; the demo needs none. */
class NoRealtime {
  constructor() {
    throw new Error('The demo does not use Realtime.')
  }
}

export function newClient({ url, publishableKey }: DemoTarget): Client {
  return createClient<Database>(url, publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: NoRealtime as never },
  })
}

/** Signs a new person up, who then founds an organization and gets a token that carries it. */
export async function join(
  target: DemoTarget,
  report: DemoReport,
  name: string,
  organizationName: string,
): Promise<DemoPerson> {
  const client = newClient(target)
  // Unique, so that the demo can be run again on the same stack.
  const slug = `${name.toLowerCase()}-${randomUUID().slice(0, 13)}`
  const email = `${slug}@example.com`
  const signUp = await client.auth.signUp({ email, password: randomUUID() })
  const user = signUp.data.session?.user
  // Without a session: the project wants addresses to be confirmed, or refused the sign-up.
  report.require(
    `${name} signed up as ${email}`,
    user !== undefined,
    signUp.error ?? 'no session; the project wants the address confirmed',
  )

  const founded = await client.rpc('create_organization', { name: organizationName, slug })
  const organization = founded.data as { id: number; name: string } | null
  report.require(
    `${name} founded “${organizationName}”`,
    typeof organization?.id === 'number' && organization.name === organizationName,
    founded.error ?? organization,
  )

  const refreshed = await client.auth.refreshSession()
  const claims = claimsOf(refreshed.data.session?.access_token ?? '')
  report.require(
    `the refreshed token carries organization ${organization.id} and the role owner`,
    claims['organization_id'] === organization.id && claims['organization_role'] === 'owner',
    refreshed.error ?? claims,
  )
  return { name, id: user.id, client, organization }
}

/** The payload of an access token, not verified: only to show what it carries. */
function claimsOf(token: string): Record<string, unknown> {
  const json = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch (error) {
    return { unreadable: describe(error) }
  }
}
