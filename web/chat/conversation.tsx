import type { UIMessage } from 'ai'
import { useEffect, useState } from 'react'
import { useBackend } from '../backend.ts'
import { explain } from '../explain.ts'
import { Notice, Waiting } from '../notice.tsx'
import { Chat } from './chat.tsx'
import type { AgentChoice } from './use-agents.ts'

export interface ConversationProps {
  /** The session's id. */
  readonly id: string
  /** Nothing is stored of it. */
  readonly isNew: boolean
  readonly agents: readonly AgentChoice[]
  /** The agent that the conversation began with. */
  readonly agentId: number | null
  readonly organizationId: number
  /** The person began it, or is to begin it: nobody else writes in it. */
  readonly isOwn: boolean
  /** A person of the organization answers in place of the model. */
  readonly isHandled: boolean
  /** Told when the person says something. */
  readonly onSent: () => void
  /** Told when the list of conversations may have changed. */
  readonly onChanged: () => void
}

/** Reads what is stored of a conversation, and then shows it. */
export function Conversation({ isNew, ...props }: ConversationProps) {
  const { id } = props
  const { transport } = useBackend()
  const [stored, setStored] = useState<UIMessage[] | undefined>(isNew ? [] : undefined)
  const [problem, setProblem] = useState<string | null>(null)
  const [attempt, setAttempt] = useState(0)
  const isKnown = stored !== undefined

  useEffect(() => {
    if (isKnown) return
    let isLeft = false
    transport.loadMessages(id).then(
      (messages) => isLeft || setStored(messages),
      (error: unknown) => isLeft || setProblem(explain(error)),
    )
    return () => {
      isLeft = true
    }
  }, [transport, id, isKnown, attempt])

  if (problem !== null) {
    const again = () => {
      setProblem(null)
      setAttempt(attempt + 1)
    }
    return <Notice text={problem} action="Try again" onAction={again} />
  }
  return stored ? <Chat {...props} stored={stored} /> : <Waiting />
}
