import type { UIMessage } from 'ai'
import type { ChatMetadata } from 'colloquy/client'
import { memo, useState } from 'react'
import { Boundary } from '../boundary.tsx'
import { CopyButton } from '../copy-button.tsx'
import { IconButton } from '../icon.tsx'
import type { LatestActions } from './actions.ts'
import { BranchSwitch } from './branch-switch.tsx'
import type { Branch } from './branches.ts'
import { EditForm } from './edit-form.tsx'
import { Part } from './part.tsx'
import { Sources } from './sources.tsx'
import type { Rating } from './use-ratings.ts'

interface MessageProps {
  readonly message: UIMessage
  readonly isStreaming: boolean
  /** Nothing follows it. */
  readonly isLast: boolean
  readonly rating: Rating | null
  readonly branch: Branch | null
  readonly isWritable: boolean
  readonly actions: LatestActions
}

/** A message is drawn again when it changes, not with each chunk of another one. */
export const Message = memo(function Message(props: MessageProps) {
  const { message, isStreaming, isLast, rating, branch, isWritable, actions } = props
  const { role, parts } = message
  const [isEdited, setIsEdited] = useState(false)
  const isOwn = role === 'user'
  const { author } = (message.metadata ?? {}) as ChatMetadata
  return (
    <article className={`message ${role}`} aria-label={isOwn ? 'Question' : 'Answer'}>
      {author && (
        <p className="author">
          <bdi>{author.name ?? 'A former member'}</bdi> answers in person
        </p>
      )}
      {isEdited ? (
        <EditForm
          text={textOf(message)}
          onCancel={() => setIsEdited(false)}
          onSave={(text) => {
            setIsEdited(false)
            actions.current.onEdit(message, text)
          }}
        />
      ) : (
        parts.map((part, index) => (
          <Boundary key={index}>
            <Part
              part={part}
              isOwn={isOwn}
              isStreaming={isStreaming && index === parts.length - 1}
              isOpen={isLast}
              isWritable={isWritable}
              actions={actions}
            />
          </Boundary>
        ))
      )}
      <Sources parts={parts} />
      {!isStreaming && !isEdited && (
        <div className="actions">
          <CopyButton text={textOf(message)} label="Copy" />
          {isWritable && isOwn && (
            <IconButton icon="edit" label="Edit" onClick={() => setIsEdited(true)} />
          )}
          {isWritable && !isOwn && !author && (
            <AnswerActions id={message.id} rating={rating} actions={actions} />
          )}
          {isWritable && branch && (
            <BranchSwitch branch={branch} onShow={(end) => actions.current.onShowBranch(end)} />
          )}
        </div>
      )}
    </article>
  )
})

interface AnswerActionsProps {
  readonly id: string
  readonly rating: Rating | null
  readonly actions: LatestActions
}

function AnswerActions({ id, rating, actions }: AnswerActionsProps) {
  const rate = (next: Rating) => actions.current.onRate(id, next === rating ? null : next)
  return (
    <>
      <IconButton
        icon="again"
        label="Answer again"
        onClick={() => actions.current.onRegenerate(id)}
      />
      <IconButton
        icon="good"
        label="Good answer"
        pressed={rating === 'up'}
        onClick={() => rate('up')}
      />
      <IconButton
        icon="bad"
        label="Bad answer"
        pressed={rating === 'down'}
        onClick={() => rate('down')}
      />
    </>
  )
}

function textOf({ parts }: UIMessage): string {
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n')
}
