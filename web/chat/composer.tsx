import type { UploadedPart } from 'colloquy/client'
import {
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
  useRef,
  useState,
} from 'react'
import { Icon, IconButton } from '../icon.tsx'
import { FileChips } from './file-chips.tsx'
import { chosen } from './sendable.ts'
import { useDrop } from './use-drop.ts'
import { useUploads } from './use-uploads.ts'

interface ComposerProps {
  /** The session that files are uploaded into. */
  readonly sessionId: string
  readonly isBusy: boolean
  readonly onSend: (text: string, files: UploadedPart[]) => void
  readonly onStop: () => void
  /** What the person may choose beside the text. */
  readonly children: ReactNode
}

/**
 * Where the person writes, and adds files: chosen, dropped or pasted. Enter sends, Shift and Enter begin a
 * line, Escape stops the answer.
 */
export function Composer({ sessionId, isBusy, onSend, onStop, children }: ComposerProps) {
  const [text, setText] = useState('')
  const uploads = useUploads(sessionId)
  const chooser = useRef<HTMLInputElement>(null)
  useDrop(uploads.add)
  const isEmpty = text.trim() === '' && uploads.list.length === 0
  const isReady = !isEmpty && uploads.list.every(({ part }) => part)

  function send(event?: FormEvent) {
    event?.preventDefault()
    if (!isReady || isBusy) return
    onSend(text, uploads.take())
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
  function onPaste(event: ClipboardEvent) {
    const { files } = event.clipboardData
    if (files.length === 0) return
    event.preventDefault()
    uploads.add(files)
  }

  return (
    <form className="composer" onSubmit={send} aria-label="Message">
      <FileChips uploads={uploads} />
      <textarea
        name="text"
        aria-label="Your message"
        placeholder="Ask"
        rows={1}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      <input
        ref={chooser}
        type="file"
        hidden
        multiple
        accept={chosen}
        aria-label="Files to add"
        onChange={({ target }) => {
          uploads.add([...(target.files ?? [])])
          // The same file can be chosen again.
          target.value = ''
        }}
      />
      <div className="row">
        <IconButton icon="attach" label="Add files" onClick={() => chooser.current?.click()} />
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
            disabled={!isReady}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  )
}
