import { type ReactNode, useEffect, useRef, useState } from 'react'
import { IconButton } from './icon.tsx'

interface ShellProps {
  readonly title: string
  /** What the main part is, for the button that skips to it. */
  readonly part: string
  /** What stands at the side: its label, and the list, which may close itself on a narrow screen. */
  readonly side: string
  readonly nav: (close: () => void) => ReactNode
  /** What is shown; another one closes the list. */
  readonly shown: string
  readonly actions?: ReactNode
  readonly children: ReactNode
}

/** A list at the side and one of its entries. On a narrow screen a button opens the list. */
export function Shell(props: ShellProps) {
  const { title, part, side, nav, shown, actions, children } = props
  const [open, setOpen] = useState(false)
  const main = useRef<HTMLElement>(null)
  useEffect(() => {
    document.title = `${title} · Colloquy`
  }, [title])
  useEffect(() => setOpen(false), [shown])
  return (
    <div
      className="page"
      data-open={open}
      onKeyDown={(event) => event.key === 'Escape' && setOpen(false)}
    >
      <button type="button" className="skip" onClick={() => main.current?.focus()}>
        Skip to the {part}
      </button>
      {nav(() => setOpen(false))}
      <main ref={main} tabIndex={-1}>
        <header className="bar">
          <IconButton
            icon="menu"
            label={side}
            className="only-narrow"
            expanded={open}
            onClick={() => setOpen(!open)}
          />
          <h1>
            <bdi>{title}</bdi>
          </h1>
          {actions}
        </header>
        {children}
      </main>
    </div>
  )
}
