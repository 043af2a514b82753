import { useCallback, useEffect, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { explain } from '../explain.ts'

export interface ChatSession {
  readonly id: string
  readonly title: string | null
  readonly user_id: string
  readonly agent_id: number | null
  readonly visibility: string
  /** The person who answers in place of the model. */
  readonly handled_by: string | null
}

export interface Sessions {
  /** Undefined while they are read for the first time. */
  readonly list: readonly ChatSession[] | undefined
  readonly problem: string | null
  /** Reads older ones too; absent when there are none. */
  readonly more: (() => void) | undefined
  readonly reload: () => void
}

const page = 50

/** The conversations that the person may read, the latest first. */
export function useSessions(): Sessions {
  const { supabase } = useBackend()
  const [list, setList] = useState<readonly ChatSession[]>()
  const [problem, setProblem] = useState<string | null>(null)
  const [limit, setLimit] = useState(page)
  const reload = useCallback(() => {
    supabase
      .from('chat_sessions')
      .select('id, title, user_id, agent_id, visibility, handled_by')
      .eq('status', 'active')
      .order('last_message_at', { ascending: false })
      .limit(limit)
      .then(dataOf)
      .then(
        (rows) => {
          setList(rows)
          setProblem(null)
        },
        (error: unknown) => setProblem(explain(error)),
      )
  }, [supabase, limit])
  useEffect(reload, [reload])
  const hasMore = list !== undefined && list.length >= limit
  const more = hasMore ? () => setLimit((last) => last + page) : undefined
  return { list, problem, more, reload }
}
