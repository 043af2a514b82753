interface NoticeProps {
  readonly text: string
  /** What the person can do about it. */
  readonly action?: string
  readonly onAction?: () => void
}

/** Something went wrong: a sentence, and what to do. */
export function Notice({ text, action, onAction }: NoticeProps) {
  return (
    <div className="notice" role="alert">
      <p>{text}</p>
      {action !== undefined && (
        <button type="button" onClick={onAction}>
          {action}
        </button>
      )}
    </div>
  )
}

export function Waiting({ text = 'Loading …' }: { readonly text?: string }) {
  return (
    <p className="waiting" role="status">
      {text}
    </p>
  )
}
