import { type FormEvent, type KeyboardEvent, type ReactNode, useState } from 'react'
import { Icon, IconButton } from '../icon.tsx'

interface ComposerProps {
  readonly isBusy: boolean
  readonly onSend: (text: string) => void
  readonly onStop: () => void
  /** What the person may choose beside the text. */
  readonly children: ReactNode
}

/** Where the person writes. Enter sends, Shift and Enter begin a line, Escape stops the answer. */
export function Composer({ isBusy, onSend, onStop, children }: ComposerProps) {
  const [text, setText] = useState('')
  const isEmpty = text.trim() === ''

  function send(event?: FormEvent) {
    event?.preventDefault()
    if (isEmpty || isBusy) return
    onSend(text)
    setText('')
  }
  function onKeyDown(event: KeyboardEvent) {
    // An input method ends its own composition with Enter.
    const isEnter = event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing
    if (isEnter) {
      event.preventDefault()
      send()
    }
    if (event.key === 'Escape' && isBusy) onStop()
  }

  return (
    <form className="composer" onSubmit={send} aria-label="Message">
      <textarea
        name="text"
        aria-label="Your message"
        placeholder="Ask"
        rows={1}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="row">
        {children}
        {isBusy ? (
          // A node of its own: one that became the submit button would send with the same click.
          <IconButton key="stop" icon="stop" label="Stop" className="filled" onClick={onStop} />
        ) : (
          <button
            key="send"
            className="icon-button filled"
            aria-label="Send"
            title="Send"
            disabled={isEmpty}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  )
}
