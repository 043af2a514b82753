import { IconButton } from '../icon.tsx'
import type { Branch } from './branches.ts'

interface BranchSwitchProps {
  readonly branch: Branch
  /** Gets the last message of the other branch. */
  readonly onShow: (end: string) => void
}

/** Goes from one version of a question or an answer to another one. */
export function BranchSwitch({ branch, onShow }: BranchSwitchProps) {
  const { place, count, before, after } = branch
  return (
    <span className="branches" role="group" aria-label="Versions">
      <IconButton
        icon="left"
        label="Version before"
        disabled={before === null}
        onClick={() => before !== null && onShow(before)}
      />
      <span>
        {place} of {count}
      </span>
      <IconButton
        icon="right"
        label="Version after"
        disabled={after === null}
        onClick={() => after !== null && onShow(after)}
      />
    </span>
  )
}
