import type { User } from '@supabase/supabase-js'
import { useEffect, useState } from 'react'
import { useBackend } from '../backend.ts'

/** The signed-in person; null when there is none, undefined while that is not known. */
export function useUser(): User | null | undefined {
  const { supabase } = useBackend()
  const [user, setUser] = useState<User | null>()
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange((_, session) => {
      const next = session?.user ?? null
      // The same person again, with each new token, is no change.
      setUser((last) => (last && last.id === next?.id ? last : next))
    })
    return () => data.subscription.unsubscribe()
  }, [supabase])
  return user
}
