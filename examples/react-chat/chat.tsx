import { useChat } from '@ai-sdk/react'
import { lastAssistantMessageIsCompleteWithApprovalResponses, type UIMessage } from 'ai'
import { type FormEvent, useState } from 'react'
import { transport } from './backend.ts'
import { Message } from './message.tsx'

interface ChatProps {
  /** The session's id. */
  readonly id: string
  /** What is stored of it. */
  readonly stored: UIMessage[]
}

/** One conversation: `useChat` over the transport, and nothing else. */
export function Chat({ id, stored }: ChatProps) {
  const chat = useChat({
    id,
    messages: stored,
    transport,
    // An answer that is still being written goes on after a reload.
    resume: true,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  })
  const [edited, setEdited] = useState<string>()
  const busy = chat.status === 'submitted' || chat.status === 'streaming'

  function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = event.currentTarget
    const text = new FormData(form).get('text') as string
    const { files } = form.elements.namedItem('files') as HTMLInputElement
    void chat.sendMessage({
      text,
      ...(files && files.length > 0 && { files }),
      ...(edited !== undefined && { messageId: edited }),
    })
    setEdited(undefined)
    form.reset()
  }

  return (
    <section data-status={chat.status}>
      {chat.messages.map((message) => (
        <Message
          key={message.id}
          message={message}
          onEdit={() => setEdited(message.id)}
          onRegenerate={() => void chat.regenerate({ messageId: message.id })}
          onDecide={(call, approved) => void chat.addToolApprovalResponse({ id: call, approved })}
        />
      ))}
      {chat.error && (
        <p role="alert">
          {chat.error.message} <button onClick={() => void chat.regenerate()}>Try again</button>
        </p>
      )}
      <form onSubmit={send}>
        <input name="text" placeholder={edited === undefined ? 'Ask' : 'Edit'} autoComplete="off" />
        <input name="files" type="file" accept="image/*" multiple />
        {busy ? (
          // A node of its own: one that became the submit button would send with the same click.
          <button key="stop" type="button" id="stop" onClick={() => void chat.stop()}>
            Stop
          </button>
        ) : (
          <button key="send" id="send">
            Send
          </button>
        )}
      </form>
    </section>
  )
}
