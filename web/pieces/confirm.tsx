import { Notice } from '../notice.tsx'
import { useTask } from '../use-task.ts'
import { Dialog } from './dialog.tsx'

interface ConfirmProps {
  readonly label: string
  /** What will happen. */
  readonly text: string
  /** @throws why it is refused */
  readonly onConfirm: () => Promise<unknown>
}

/** A button for what cannot be taken back: it says what will happen, and asks. */
export function Confirm({ label, text, onConfirm }: ConfirmProps) {
  return (
    <Dialog label={label}>
      {(close) => <Question label={label} text={text} onConfirm={onConfirm} onDone={close} />}
    </Dialog>
  )
}

function Question(props: ConfirmProps & { readonly onDone: () => void }) {
  const { label, text, onConfirm, onDone } = props
  const { busy, problem, run } = useTask()
  return (
    <>
      <p>
        <bdi>{text}</bdi>
      </p>
      {problem !== null && <Notice text={problem} />}
      <div className="row end">
        <button type="button" onClick={onDone}>
          Cancel
        </button>
        <button
          type="button"
          className="primary"
          disabled={busy}
          onClick={() => run(() => onConfirm().then(onDone))}
        >
          {label}
        </button>
      </div>
    </>
  )
}
