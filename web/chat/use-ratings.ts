import { useCallback, useEffect, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { explain } from '../explain.ts'

export type Rating = 'up' | 'down'

export interface Ratings {
  readonly of: ReadonlyMap<string, Rating>
  readonly problem: string | null
  /** Rates an answer; null takes the rating back. */
  readonly rate: (messageId: string, rating: Rating | null) => void
}

/** How the person rated the answers of a conversation. */
export function useRatings(sessionId: string, isStored: boolean): Ratings {
  const { supabase, transport } = useBackend()
  const [of, setOf] = useState<ReadonlyMap<string, Rating>>(new Map())
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    if (!isStored) return
    supabase
      .schema('conversation')
      .from('message_feedback')
      .select('message_id, rating')
      .eq('session_id', sessionId)
      .then(dataOf)
      .then(
        (rows) => setOf(new Map(rows.map((row) => [row.message_id, row.rating as Rating]))),
        (error: unknown) => setProblem(explain(error)),
      )
  }, [supabase, sessionId, isStored])
  const rate = useCallback(
    (messageId: string, rating: Rating | null) => {
      setProblem(null)
      transport.rate(messageId, rating).then(
        () =>
          setOf((before) => {
            const after = new Map(before)
            if (rating === null) after.delete(messageId)
            else after.set(messageId, rating)
            return after
          }),
        (error: unknown) => setProblem(explain(error)),
      )
    },
    [transport],
  )
  return { of, problem, rate }
}
