import { watchSession } from 'colloquy/client'
import { useEffect, useRef } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import type { MessageActions } from '../chat/actions.ts'
import { Message } from '../chat/message.tsx'
import { useFollow } from '../chat/use-follow.ts'
import { Notice, Waiting } from '../notice.tsx'
import { useRead } from '../pieces/use-read.ts'
import { AnswerPanel } from './answer-panel.tsx'

interface AnsweringProps {
  /** The session's id. */
  readonly id: string
  /** The id of the person. */
  readonly user: string
  readonly organizationId: number
  /** Told when the queue may have changed. */
  readonly onChanged: () => void
}

/** What the person does with messages of others: nothing. */
const noActions: MessageActions = {
  onAnswer: () => Promise.resolve(),
  onDecide: () => undefined,
  onEdit: () => undefined,
  onRate: () => undefined,
  onRegenerate: () => undefined,
  onShowBranch: () => undefined,
}

/** A customer's conversation, as it grows, and what the person can do in it. */
export function Answering({ id, user, organizationId, onChanged }: AnsweringProps) {
  const { supabase, transport } = useBackend()
  const actions = useRef(noActions)
  const follow = useFollow()
  const { data, problem, reload } = useRead(async () => {
    const [session, messages] = await Promise.all([
      supabase.from('chat_sessions').select('title, handled_by').eq('id', id).single().then(dataOf),
      transport.loadMessages(id),
    ])
    return { session, messages }
  })
  useEffect(
    () => watchSession(supabase, organizationId, id, reload),
    [supabase, organizationId, id, reload],
  )
  if (problem !== null) return <Notice text={problem} action="Try again" onAction={reload} />
  if (data === undefined) return <Waiting />
  const { session, messages } = data
  return (
    <>
      <div className="scroll" ref={follow.box} onScroll={follow.onScroll}>
        <div className="messages" ref={follow.content}>
          <h2 className="spoken">{session.title ?? 'Untitled'}</h2>
          {messages.map((message) => (
            <Message
              key={message.id}
              message={message}
              isStreaming={false}
              isLast={false}
              rating={null}
              branch={null}
              isWritable={false}
              actions={actions}
            />
          ))}
        </div>
      </div>
      <AnswerPanel
        id={id}
        user={user}
        handledBy={session.handled_by}
        onChanged={() => {
          reload()
          onChanged()
        }}
      />
    </>
  )
}
