import type { UIMessage } from 'ai'
import { useCallback, useEffect, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { explain } from '../explain.ts'
import { type Branch, findBranches } from './branches.ts'

export interface Branches {
  readonly of: ReadonlyMap<string, Branch>
  readonly problem: string | null
  /** Shows the branch that ends with this message, from now on and on every device. */
  readonly show: (end: string) => void
}

/**
 * The branches of a conversation.
 * @param settled changes when what is stored may have changed; null while an answer is written
 * @param onShown gets the messages of the branch that the person chose
 */
export function useBranches(
  id: string,
  settled: string | null,
  onShown: (messages: UIMessage[]) => void,
): Branches {
  const { supabase, transport } = useBackend()
  const [of, setOf] = useState<ReadonlyMap<string, Branch>>(new Map())
  const [problem, setProblem] = useState<string | null>(null)
  const fail = useCallback((error: unknown) => setProblem(explain(error)), [])
  useEffect(() => {
    if (settled === null) return
    supabase
      .from('chat_messages')
      .select('id, parent_id, role')
      .eq('session_id', id)
      .order('created_at')
      .order('id')
      .then(dataOf)
      .then((rows) => setOf(findBranches(rows)), fail)
  }, [supabase, id, settled, fail])
  const show = (end: string) => {
    setProblem(null)
    const choose = async () => {
      const change = { current_message_id: end }
      dataOf(await supabase.from('chat_sessions').update(change).eq('id', id).select('id').single())
      onShown(await transport.loadMessages(id))
    }
    choose().catch(fail)
  }
  return { of, problem, show }
}
