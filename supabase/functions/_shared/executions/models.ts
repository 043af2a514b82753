import type { ModelAnswer } from '../models/model-answer.ts'
import type { MessagePart, ModelEvent, ModelRequest } from '../models/types.ts'
import type { BegunExecution, RouteStep } from './types.ts'

/** The models that can be called, whoever serves them. */
export interface Models {
  /** Names of the providers that are configured. */
  readonly providers: readonly string[]
  /**
   * Calls the model of one step. Each batch is what one read of the answer gave; without
   * `stream` the answer comes in one.
   * @throws ModelError, or the signal's reason
   */
  call(
    step: RouteStep,
    request: ModelRequest,
    options: CallOptions,
  ): AsyncIterable<readonly ModelEvent[]>
}

export interface CallOptions {
  readonly stream: boolean
  readonly signal: AbortSignal
  /** Whose own key is used where the step says so. */
  readonly organizationId: number
}

/** What the model of one step is asked: prompts, history and parameters of the execution. */
export function toModelRequest(execution: BegunExecution, step: RouteStep): ModelRequest {
  return {
    model: step.model,
    config: step.config,
    systemPrompts: execution.system_prompts,
    // Parts and parameters were validated before they were stored.
    messages: execution.history.map(({ role, content, parts }) => ({
      role,
      content,
      parts: parts as readonly MessagePart[] | null,
    })),
    params: execution.params,
    ...execution.asked,
  }
}

/** A whole answer as the events of which it is made. */
export function toEvents(answer: ModelAnswer): ModelEvent[] {
  const events: ModelEvent[] = [
    { type: 'start', requestId: answer.requestId, model: answer.model },
    ...answer.parts.flatMap(toEvent),
  ]
  if (answer.usage) events.push({ type: 'usage', usage: answer.usage })
  if (answer.finish) events.push({ type: 'finish', ...answer.finish })
  return events
}

function toEvent(part: MessagePart): ModelEvent[] {
  if (part.type !== 'text' && part.type !== 'reasoning' && part.type !== 'tool_call') return []
  const { provider_metadata: metadata, ...event } = part
  return [metadata ? { ...event, metadata } : event]
}
