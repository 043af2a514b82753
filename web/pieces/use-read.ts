import { useCallback, useEffect, useRef, useState } from 'react'
import { explain } from '../explain.ts'

/** What a view shows, and why it cannot. */
export interface Reading<Data> {
  /** Undefined until it is read. */
  readonly data: Data | undefined
  readonly problem: string | null
  readonly reload: () => void
}

/** Reads when the view opens, when `key` changes, and after each change that the view makes. */
export function useRead<Data>(read: () => Promise<Data>, key: unknown = null): Reading<Data> {
  const latest = useRef(read)
  latest.current = read
  const turn = useRef(0)
  const [data, setData] = useState<Data>()
  const [problem, setProblem] = useState<string | null>(null)
  const reload = useCallback(() => {
    turn.current += 1
    const own = turn.current
    latest.current().then(
      (found) => {
        // An answer that a later read has overtaken is not shown.
        if (own !== turn.current) return
        setData(found)
        setProblem(null)
      },
      (error: unknown) => {
        if (own === turn.current) setProblem(explain(error))
      },
    )
  }, [])
  useEffect(reload, [reload, key])
  return { data, problem, reload }
}
