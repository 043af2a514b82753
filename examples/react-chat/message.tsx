import type { UIMessage } from 'ai'
import { url } from './backend.ts'

interface MessageProps {
  readonly message: UIMessage
  readonly onEdit: () => void
  readonly onRegenerate: () => void
  readonly onDecide: (call: string, approved: boolean) => void
}

export function Message({ message, onEdit, onRegenerate, onDecide }: MessageProps) {
  return (
    <article className={message.role}>
      {message.parts.map((part, index) => (
        <Part key={index} part={part} onDecide={onDecide} />
      ))}
      {message.role === 'user' ? (
        <button className="edit" onClick={onEdit}>
          Edit
        </button>
      ) : (
        <button className="regenerate" onClick={onRegenerate}>
          Again
        </button>
      )}
    </article>
  )
}

function Part({
  part,
  onDecide,
}: Pick<MessageProps, 'onDecide'> & { readonly part: UIMessage['parts'][number] }) {
  if (part.type === 'text') return <span className="text">{part.text}</span>
  if (part.type === 'data-person') return <em className="person">A person answers here.</em>
  if (part.type === 'file') {
    // A foreign picture would tell its host who reads the conversation.
    const isOurs = part.url.startsWith('data:') || part.url.startsWith(`${url}/`)
    return isOurs ? <img src={part.url} alt={part.filename ?? ''} /> : <code>{part.url}</code>
  }
  if (part.type !== 'dynamic-tool') return null
  return (
    <span className="tool" data-state={part.state}>
      {part.toolName} {JSON.stringify(part.input)}
      {part.state === 'approval-requested' && (
        <>
          <button className="approve" onClick={() => onDecide(part.approval.id, true)}>
            Approve
          </button>
          <button className="deny" onClick={() => onDecide(part.approval.id, false)}>
            Deny
          </button>
        </>
      )}
    </span>
  )
}
