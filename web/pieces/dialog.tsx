import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { IconButton } from '../icon.tsx'

interface DialogProps {
  /** Of the button that opens it. */
  readonly label: string
  /** Of the dialog; the button's label without one. */
  readonly title?: string
  readonly isPrimary?: boolean
  readonly children: (close: () => void) => ReactNode
}

/** A button that opens a dialog. The browser keeps the focus in it, and Escape closes it. */
export function Dialog({ label, title = label, isPrimary = false, children }: DialogProps) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <button
        type="button"
        className={isPrimary ? 'primary' : 'small'}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {open && (
        <Opened title={title} onClosed={() => setOpen(false)}>
          {children}
        </Opened>
      )}
    </>
  )
}

interface OpenedProps {
  readonly title: string
  readonly onClosed: () => void
  readonly children: (close: () => void) => ReactNode
}

function Opened({ title, onClosed, children }: OpenedProps) {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  const close = () => element.current?.close()
  useEffect(() => {
    if (element.current?.open === false) element.current.showModal()
  }, [])
  return (
    <dialog ref={element} aria-labelledby={id} onClose={onClosed}>
      <header className="row">
        <h2 id={id}>
          <bdi>{title}</bdi>
        </h2>
        <IconButton icon="close" label="Close" onClick={close} />
      </header>
      {children(close)}
    </dialog>
  )
}
