import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createClient } from '@supabase/supabase-js'
import type { Stack } from '../../../dev/stack/stack-options.ts'
import { startStack } from '../../../dev/stack/stack.ts'
import type { Database } from '../../../supabase/functions/_shared/database.types.ts'
import type { Organization, Person } from '../people/people.ts'
import { makeDirectory } from '../stack/directory.ts'

export interface OwnStack {
  readonly stack: Stack
  /** A person who owns a new organization, signed in to it. */
  signUp(): Promise<Person & { organization: Organization }>
  close(): Promise<void>
}

/** A stack beside the one that all tests share, for what would disturb them. */
export async function startOwnStack(): Promise<OwnStack> {
  const directory = makeDirectory()
  const stack = await startStack({ port: 0, directory, durable: false })
  return {
    stack,
    async signUp() {
      const client = createClient<Database>(stack.url, stack.publishableKey, {
        auth: { persistSession: false, autoRefreshToken: false },
        // supabase-js wants a WebSocket, which Node.js has from version 22; no test uses it.
        realtime: { transport: Object as never },
      })
      const account = { email: `${randomUUID()}@example.com`, password: randomUUID() }
      const { data, error } = await client.auth.signUp(account)
      if (error !== null) throw error
      const slug = randomUUID().slice(0, 18)
      const created = await client.rpc('create_organization', { name: 'own', slug })
      if (created.error !== null) throw created.error
      await client.auth.refreshSession()
      const organization = created.data as unknown as Organization
      return { ...account, id: data.user?.id ?? '', client, organization }
    },
    async close() {
      await stack.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
