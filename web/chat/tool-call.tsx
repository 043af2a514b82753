import type { DynamicToolUIPart } from 'ai'
import { Icon } from '../icon.tsx'
import { JsonValue, visible } from '../pieces/json-value.tsx'

interface ToolCallProps {
  readonly part: DynamicToolUIPart
  /** Null for a person who only reads. */
  readonly onDecide: ((call: string, approved: boolean) => void) | null
}

const states: Record<DynamicToolUIPart['state'], string> = {
  'input-streaming': 'is being prepared',
  'input-available': 'is running',
  'approval-requested': 'waits for your approval',
  'approval-responded': 'was decided',
  'output-available': 'done',
  'output-error': 'failed',
  'output-denied': 'denied',
}

/** A call of a tool, folded; open while it waits for the person, who decides on its arguments. */
export function ToolCall({ part, onDecide }: ToolCallProps) {
  const { state, input, toolName } = part
  const waits = state === 'approval-requested'
  return (
    <details className="fold tool" data-state={state} {...(waits && { open: true })}>
      <summary>
        <Icon name="tool" /> <bdi>{visible(nameOf(part))}</bdi>{' '}
        <span className="state">{states[state]}</span>
      </summary>
      <JsonValue title="Arguments" value={input} />
      {state === 'output-available' && <JsonValue title="Result" value={part.output} />}
      {state === 'output-error' && <p className="failure">{sentenceOf(part.errorText)}</p>}
      {waits && onDecide && (
        <div className="row" role="group" aria-label={`Decide on ${toolName}`}>
          <button
            type="button"
            className="primary"
            onClick={() => onDecide(part.approval.id, true)}
          >
            Approve
          </button>
          <button type="button" onClick={() => onDecide(part.approval.id, false)}>
            Deny
          </button>
        </div>
      )}
    </details>
  )
}

/** The tool and its server, where the call says so. */
function nameOf({ toolName, toolMetadata }: DynamicToolUIPart): string {
  const { server, tool } = (toolMetadata ?? {}) as { server?: unknown; tool?: unknown }
  return typeof server === 'string' && typeof tool === 'string' ? `${tool} of ${server}` : toolName
}

/** The backend writes a code, a colon and a sentence. */
function sentenceOf(errorText: string): string {
  return errorText.replace(/^[a-z][a-z0-9_]*: /, '')
}
