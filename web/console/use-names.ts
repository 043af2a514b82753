import { dataOf, useBackend } from '../backend.ts'
import { useRead } from '../pieces/use-read.ts'

/** @returns gives the name of a member; of a former one the account's id */
export function useNames(): (id: string | null) => string {
  const { supabase } = useBackend()
  const { data } = useRead(async () => dataOf(await supabase.rpc('organization_members')))
  const names = new Map(data?.map((one) => [one.user_id, one.display_name ?? one.email]))
  return (id) => (id === null ? '–' : (names.get(id) ?? id))
}
