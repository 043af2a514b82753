import type {
  FinishReason,
  MessagePart,
  ModelEvent,
  ModelUsage,
  ProviderMetadata,
} from './model-protocol.ts'

/** An answer as it is stored; what is null has not arrived (yet). */
export interface ModelAnswer {
  requestId: string | null
  model: string | null
  /** All visible text, refusals included. */
  content: string
  /** Text, reasoning and tool calls in order, with what the provider wants back verbatim. */
  parts: MessagePart[]
  usage: ModelUsage | null
  finish: { reason: FinishReason; rawReason: string } | null
}

export function emptyAnswer(): ModelAnswer {
  return { requestId: null, model: null, content: '', parts: [], usage: null, finish: null }
}

/** Adds a batch of events to an answer, joining adjacent pieces into one part. */
export function addToAnswer(answer: ModelAnswer, events: readonly ModelEvent[]): void {
  for (const event of events) {
    switch (event.type) {
      case 'start':
        answer.requestId = event.requestId
        answer.model = event.model
        break
      case 'text':
        answer.content += event.text
        addPiece(answer.parts, event.type, event.text, event.metadata)
        break
      case 'reasoning':
        addPiece(answer.parts, event.type, event.text, event.metadata)
        break
      case 'refusal':
        answer.content += event.text
        addRefusal(answer.parts, event.text)
        break
      case 'source':
        answer.parts.push(event)
        break
      case 'picture': {
        const { url, media_type, metadata } = event
        answer.parts.push({ type: 'image', url, media_type, ...keep(metadata) })
        break
      }
      case 'tool_call_delta':
        break // Shown only; the whole call follows.
      case 'embeddings':
        break // Given to the client and not stored.
      case 'tool_call': {
        const { id, name, arguments: text, metadata } = event
        answer.parts.push({ type: 'tool_call', id, name, arguments: text, ...keep(metadata) })
        break
      }
      case 'usage':
        answer.usage = event.usage
        break
      case 'finish':
        answer.finish = { reason: event.reason, rawReason: event.rawReason }
        break
    }
  }
}

function addRefusal(parts: MessagePart[], text: string): void {
  const last = parts.at(-1)
  if (last?.type === 'refusal') last.text += text
  else parts.push({ type: 'refusal', text })
}

export function foldEvents(events: readonly ModelEvent[]): ModelAnswer {
  const answer = emptyAnswer()
  addToAnswer(answer, events)
  return answer
}

function addPiece(
  parts: MessagePart[],
  type: 'text' | 'reasoning',
  text: string,
  metadata: ProviderMetadata | undefined,
): void {
  const last = parts.at(-1)
  if (last?.type === type && last.provider_metadata === undefined && metadata === undefined) {
    last.text += text
  } else {
    parts.push({ type, text, ...keep(metadata) })
  }
}

function keep(metadata: ProviderMetadata | undefined): { provider_metadata?: ProviderMetadata } {
  return metadata === undefined ? {} : { provider_metadata: metadata }
}
