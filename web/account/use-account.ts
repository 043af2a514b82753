import type { User } from '@supabase/supabase-js'
import type { Database } from 'colloquy/database'
import { useCallback, useEffect, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { explain } from '../explain.ts'

type Functions = Database['public']['Functions']
export type Membership = Functions['my_organizations']['Returns'][number]
export type Invitation = Functions['my_invitations']['Returns'][number]

export interface Account {
  readonly user: User
  readonly memberships: readonly Membership[]
  readonly invitations: readonly Invitation[]
  /** The organization that the person works in; null before there is one. */
  readonly current: Membership | null
  /** Works in another organization from now on. */
  readonly switchTo: (organization: number) => Promise<void>
  readonly found: (name: string, slug: string) => Promise<void>
  readonly accept: (invitation: Invitation) => Promise<void>
  readonly signOut: () => Promise<void>
}

interface Belonging {
  readonly memberships: readonly Membership[]
  readonly invitations: readonly Invitation[]
}

/** @returns the account, or why it cannot be read, or null while it is read */
export function useAccount(user: User): Account | { readonly problem: string } | null {
  const { supabase } = useBackend()
  const [belonging, setBelonging] = useState<Belonging>()
  const [problem, setProblem] = useState<string>()

  const read = useCallback(async () => {
    const [memberships, invitations] = await Promise.all([
      supabase.rpc('my_organizations').then(dataOf),
      supabase.rpc('my_invitations').then(dataOf),
    ])
    setBelonging({ memberships, invitations })
  }, [supabase])
  useEffect(() => {
    read().catch((error: unknown) => setProblem(explain(error)))
  }, [read])

  if (problem !== undefined) return { problem }
  if (belonging === undefined) return null
  const { memberships } = belonging
  /** The token says which organization is active, so the next one has to. */
  const renew = async () => {
    dataOf(await supabase.auth.refreshSession())
    await read()
  }
  const switchTo = async (organization_id: number) => {
    dataOf(await supabase.rpc('switch_organization', { organization_id }))
    await renew()
  }
  return {
    user,
    ...belonging,
    current: memberships.find((one) => one.is_current) ?? null,
    switchTo,
    async found(name, slug) {
      const { id } = dataOf(await supabase.rpc('create_organization', { name, slug }))
      if (id !== null) await switchTo(id)
    },
    async accept({ id }) {
      const { organization_id } = dataOf(await supabase.rpc('accept_my_invitation', { id }))
      if (organization_id !== null) await switchTo(organization_id)
    },
    async signOut() {
      const { error } = await supabase.auth.signOut({ scope: 'local' })
      if (error) throw error
    },
  }
}
