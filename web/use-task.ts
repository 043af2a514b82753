import { useState } from 'react'
import { explain } from './explain.ts'

/** One thing that the page does for the person at a time, and why it failed. */
export function useTask(): {
  readonly busy: boolean
  readonly problem: string | null
  readonly run: (task: () => Promise<void>) => void
} {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const run = (task: () => Promise<void>) => {
    setBusy(true)
    setProblem(null)
    task()
      .catch((error: unknown) => setProblem(explain(error)))
      .finally(() => setBusy(false))
  }
  return { busy, problem, run }
}
