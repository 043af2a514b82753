import type { ModelEvent } from '../models/model-protocol.ts'
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

  take(events: readonly ModelEvent[]): readonly ModelEvent[] {
    if (!this.#half && !events.some(isSuspicious)) return events
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
      result.push(isWhole(event) ? toStorableJson(event) : event)
    }
    return result
  }

  #join(type: Said['type'], piece: string, result: ModelEvent[]): string {
    if (this.#half && this.#half.type !== type) this.#giveUp(result)
    const text = (this.#half?.text ?? '') + piece
    const half = halfAtEnd.exec(text)?.[0] ?? ''
    this.#half = half === '' ? null : { type, text: half }
    return toStorableText(text.slice(0, text.length - half.length))
  }

  #giveUp(result: ModelEvent[]): void {
    if (this.#half) result.push({ type: this.#half.type, text: '\uFFFD' })
    this.#half = null
  }
}

/** Events that never arrive in pieces: a tool call, a source, and the provider's names of its answer. */
function isWhole({ type }: ModelEvent): boolean {
  return type === 'tool_call' || type === 'source' || type === 'start'
}

function isSuspicious(event: ModelEvent): boolean {
  if ('text' in event && suspicious.test(event.text)) return true
  if (isWhole(event)) return escaped.test(JSON.stringify(event))
  return 'metadata' in event && escaped.test(JSON.stringify(event.metadata))
}
