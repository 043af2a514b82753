import type { ModelEvent, ToolCallDeltaEvent } from '../models/model-protocol.ts'
import { toStorableJson, toStorableText } from '../storable.ts'

// PostgreSQL stores neither U+0000 nor half of a surrogate pair. One would cost the whole answer.
const suspicious = /[\0\uD800-\uDFFF]/
const halfAtEnd = /[\uD800-\uDBFF]$/
type Said = Extract<ModelEvent, { readonly text: string }>

const escaped = /\\u(?:0000|d[89a-f])/i

/**
 * Makes a model's output storable. Providers split text anywhere: half of a surrogate pair waits
 * for the other half. A lone half and U+0000 become U+FFFD.
 */
export class StorableEvents {
  #half: { readonly type: Said['type']; readonly text: string } | null = null
  /** The halves that arguments wait with, by the id of their call: calls may come at the same time. */
  readonly #halves = new Map<string, string>()

  take(events: readonly ModelEvent[]): readonly ModelEvent[] {
    const waits = this.#half !== null || this.#halves.size > 0
    if (!waits && !events.some(isSuspicious)) return events
    const result: ModelEvent[] = []
    for (const event of events) {
      if (event.type === 'text' || event.type === 'reasoning' || event.type === 'refusal') {
        const metadata = 'metadata' in event ? event.metadata : undefined
        const text = this.#join(event.type, event.text, result)
        result.push({
          type: event.type,
          text,
          ...(metadata && { metadata: toStorableJson(metadata) }),
        })
        continue
      }
      this.#giveUp(result)
      if (event.type === 'tool_call_delta') {
        result.push(this.#joinArguments(event))
        continue
      }
      if (event.type === 'tool_call' && this.#halves.delete(event.id)) {
        const { id, name } = event
        result.push(toStorableJson({ type: 'tool_call_delta', id, name, arguments: '\uFFFD' }))
      }
      result.push(isWhole(event) ? toStorableJson(event) : event)
    }
    return result
  }

  #join(type: Said['type'], piece: string, result: ModelEvent[]): string {
    if (this.#half && this.#half.type !== type) this.#giveUp(result)
    const { text, half } = split((this.#half?.text ?? '') + piece)
    this.#half = half === '' ? null : { type, text: half }
    return text
  }

  #joinArguments({ arguments: piece, ...event }: ToolCallDeltaEvent): ToolCallDeltaEvent {
    const { text, half } = split((this.#halves.get(event.id) ?? '') + piece)
    if (half === '') this.#halves.delete(event.id)
    else this.#halves.set(event.id, half)
    return toStorableJson({ ...event, arguments: text })
  }

  #giveUp(result: ModelEvent[]): void {
    if (this.#half) result.push({ type: this.#half.type, text: '\uFFFD' })
    this.#half = null
  }
}

/** A text that can be stored, and the half of a character at its end. */
function split(all: string): { readonly text: string; readonly half: string } {
  const half = halfAtEnd.exec(all)?.[0] ?? ''
  return { text: toStorableText(all.slice(0, all.length - half.length)), half }
}

/** Events that never arrive in pieces: a tool call, a source, and the provider's names of its answer. */
function isWhole({ type }: ModelEvent): boolean {
  return type === 'tool_call' || type === 'source' || type === 'start'
}

function isSuspicious(event: ModelEvent): boolean {
  if ('text' in event && suspicious.test(event.text)) return true
  if (event.type === 'tool_call_delta') {
    return suspicious.test(event.arguments) || escaped.test(JSON.stringify([event.id, event.name]))
  }
  if (isWhole(event)) return escaped.test(JSON.stringify(event))
  return 'metadata' in event && escaped.test(JSON.stringify(event.metadata))
}
