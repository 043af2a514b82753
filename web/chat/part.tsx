import type { UIMessage } from 'ai'
import { Markdown } from '../markdown/markdown.tsx'
import type { Elicitation } from 'colloquy/client'
import type { LatestActions } from './actions.ts'
import { Elicited } from './elicited.tsx'
import { File } from './file.tsx'
import { ToolCall } from './tool-call.tsx'

interface PartProps {
  readonly part: UIMessage['parts'][number]
  /** The person wrote it. */
  readonly isOwn: boolean
  readonly isStreaming: boolean
  /** Nothing follows the message. */
  readonly isOpen: boolean
  /** The conversation is the person's. */
  readonly isWritable: boolean
  readonly actions: LatestActions
}

/** One part of a message. Whatever its text holds, it becomes text, and never elements of its own. */
export function Part({ part, isOwn, isStreaming, isOpen, isWritable, actions }: PartProps) {
  switch (part.type) {
    case 'text':
      if (isOwn) return <p className="text plain">{part.text}</p>
      return (
        <div className="text">
          <Markdown text={part.text} isStreaming={isStreaming} />
        </div>
      )
    case 'reasoning':
      if (part.text === '') return null
      return (
        <details className="fold reasoning">
          <summary>{isStreaming ? 'Thinking …' : 'Reasoning'}</summary>
          <Markdown text={part.text} isStreaming={isStreaming} />
        </details>
      )
    case 'file':
      return <File part={part} />
    case 'dynamic-tool':
      return (
        <ToolCall
          part={part}
          onDecide={
            isWritable ? (call, approved) => actions.current.onDecide(call, approved) : null
          }
        />
      )
    case 'data-elicitation': {
      const asked = part.data as Elicitation
      // A next round asks anew.
      const key = `${asked.execution_id}/${asked.tool_call_id}/${asked.round}`
      return <Elicited key={key} {...{ asked, isOpen, isWritable, actions }} />
    }
    case 'data-person':
      return <p className="hint">{(part.data as { readonly message: string }).message}</p>
    default:
      return null
  }
}
