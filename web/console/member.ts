import type { User } from '@supabase/supabase-js'
import { createContext, useContext } from 'react'
import type { Membership } from '../account/use-account.ts'

/** The person at the console. */
export interface Member {
  readonly user: User
  readonly organization: Membership
  /** Whether the person has a permission. The database decides; this says what the page offers. */
  readonly can: (permission: string) => boolean
}

export const MemberContext = createContext<Member | null>(null)

export function useMember(): Member {
  const member = useContext(MemberContext)
  if (!member) throw new Error('no organization is open')
  return member
}
