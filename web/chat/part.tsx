import type { UIMessage } from 'ai'
import { Markdown } from '../markdown/markdown.tsx'
import { File } from './file.tsx'
import { ToolCall } from './tool-call.tsx'

interface PartProps {
  readonly part: UIMessage['parts'][number]
  /** The person wrote it. */
  readonly isOwn: boolean
  readonly isStreaming: boolean
  readonly onDecide: (call: string, approved: boolean) => void
}

/** One part of a message. Whatever its text holds, it becomes text, and never elements of its own. */
export function Part({ part, isOwn, isStreaming, onDecide }: PartProps) {
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
      return <ToolCall part={part} onDecide={onDecide} />
    default:
      return null
  }
}
