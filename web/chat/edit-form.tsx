import { type FormEvent, useState } from 'react'

interface EditFormProps {
  readonly text: string
  readonly onSave: (text: string) => void
  readonly onCancel: () => void
}

/** Asks with other words. What was answered before stays as a branch. */
export function EditForm({ text: before, onSave, onCancel }: EditFormProps) {
  const [text, setText] = useState(before)
  function submit(event: FormEvent) {
    event.preventDefault()
    onSave(text)
  }
  return (
    <form
      className="edit"
      aria-label="Edit"
      onSubmit={submit}
      onKeyDown={(event) => event.key === 'Escape' && onCancel()}
    >
      <textarea
        name="edited"
        aria-label="Edited message"
        autoFocus
        onFocus={({ target }) => target.setSelectionRange(text.length, text.length)}
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      <div className="row end">
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button className="primary" disabled={text.trim() === ''}>
          Ask again
        </button>
      </div>
    </form>
  )
}
