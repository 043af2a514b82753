import { Notice } from '../notice.tsx'
import { useTask } from '../use-task.ts'

interface ActProps {
  readonly label: string
  readonly isPrimary?: boolean
  /** @throws why it is refused */
  readonly onAct: () => Promise<unknown>
}

/** A button that acts at once, and says why when it cannot. */
export function Act({ label, isPrimary = false, onAct }: ActProps) {
  const { busy, problem, run } = useTask()
  return (
    <>
      <button
        type="button"
        className={isPrimary ? 'primary' : 'small'}
        disabled={busy}
        onClick={() => run(async () => void (await onAct()))}
      >
        {label}
      </button>
      {problem !== null && <Notice text={problem} />}
    </>
  )
}
