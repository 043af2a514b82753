/** Drawn here, on a grid of 24: a package of icons would be larger than the page. */
const paths = {
  again: 'M20 11a8 8 0 1 0-2.3 6.3M20 4v7h-7',
  attach:
    'M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 4.7 4.7l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4L14.5 7',
  bad: 'M7 3v11m0 0h-4v-11h4zm0 0 4 7c2 0 2.5-1.5 2-3l-.5-3h6a2 2 0 0 0 2-2.3l-1-6.7a2 2 0 0 0-2-2h-10.5',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  done: 'M5 12l5 5 9-10',
  down: 'M12 5v14m-6-6 6 6 6-6',
  edit: 'M4 20h4L19 9l-4-4L4 16z',
  good: 'M7 21V10m0 0H3v11h4zm0 0 4-7c2 0 2.5 1.5 2 3l-.5 3h6a2 2 0 0 1 2 2.3l-1 7.7a2 2 0 0 1-2 2H7',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  menu: 'M4 7h16M4 12h16M4 17h16',
  new: 'M12 5v14M5 12h14',
  send: 'M12 19V5m-6 6 6-6 6 6',
  stop: 'M7 7h10v10H7z',
  tool: 'M14 6a4 4 0 0 0-5.4 4.7L4 15.5 8.5 20l4.8-4.600A4 4 0 0 0 18 10l-2.5 2.5-3-3z',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}

interface IconButtonProps {
  readonly icon: IconName
  readonly label: string
  readonly onClick: () => void
  /** Whether it is chosen, for a button that stays down. */
  readonly pressed?: boolean
  readonly expanded?: boolean
  readonly disabled?: boolean
  readonly className?: string
}

/** A button without a text: its label is spoken, and shown under the pointer. */
export function IconButton(props: IconButtonProps) {
  const { icon, label, onClick, pressed, expanded, disabled, className = '' } = props
  return (
    <button
      type="button"
      className={`icon-button ${className}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      aria-expanded={expanded}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}
