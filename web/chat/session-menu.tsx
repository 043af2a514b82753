import { dataOf, useBackend } from '../backend.ts'
import { Notice } from '../notice.tsx'
import { useTask } from '../use-task.ts'
import { toMarkdown } from './to-markdown.ts'
import type { ChatSession } from './use-sessions.ts'

interface SessionMenuProps {
  readonly session: ChatSession
  /** The person began it. */
  readonly isOwn: boolean
  readonly onChanged: () => void
}

/** What else a person does with a conversation. */
export function SessionMenu({ session, isOwn, onChanged }: SessionMenuProps) {
  const { supabase, transport } = useBackend()
  const { busy, problem, run } = useTask()
  const isShared = session.visibility === 'organization'

  const share = async () => {
    const change = { visibility: isShared ? 'private' : 'organization' }
    const changing = supabase.from('chat_sessions').update(change).eq('id', session.id)
    dataOf(await changing.select('id').single())
    onChanged()
  }
  const save = async () => {
    const text = toMarkdown(
      session.title ?? 'Conversation',
      await transport.loadMessages(session.id),
    )
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }))
    link.download = `${session.title ?? 'Conversation'}.md`
    link.click()
    URL.revokeObjectURL(link.href)
  }

  return (
    <div className="menu">
      {isOwn && (
        <button type="button" aria-pressed={isShared} disabled={busy} onClick={() => run(share)}>
          {isShared ? 'Shared' : 'Share'}
        </button>
      )}
      <button type="button" disabled={busy} onClick={() => run(save)}>
        Export
      </button>
      {problem !== null && <Notice text={problem} />}
    </div>
  )
}
