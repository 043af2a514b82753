import type { ModelEvent } from '../models/types.ts'

// PostgreSQL stores neither U+0000 nor half of a surrogate pair. One would cost the whole answer.
const suspicious = /[\0\uD800-\uDFFF]/
const halfAtEnd = /[\uD800-\uDBFF]$/
const escaped = /\\u(?:0000|d[89a-f])/i

/**
 * Makes what a model says storable. Providers split text anywhere: half of a surrogate pair waits
 * for the other one, and what has no other half becomes U+FFFD, as does U+0000.
 */
export class StorableEvents {
  #half: { readonly type: 'text' | 'reasoning'; readonly text: string } | null = null

  take(events: readonly ModelEvent[]): readonly ModelEvent[] {
    if (!this.#half && !events.some(isSuspicious)) return events
    const result: ModelEvent[] = []
    for (const event of events) {
      if (event.type === 'text' || event.type === 'reasoning') {
        const { metadata } = event
        const text = this.#join(event.type, event.text, result)
        result.push({ type: event.type, text, ...(metadata && { metadata: clean(metadata) }) })
        continue
      }
      this.#giveUp(result)
      result.push(event.type === 'tool_call' ? clean(event) : event)
    }
    return result
  }

  #join(type: 'text' | 'reasoning', piece: string, result: ModelEvent[]): string {
    if (this.#half && this.#half.type !== type) this.#giveUp(result)
    const text = (this.#half?.text ?? '') + piece
    const half = halfAtEnd.exec(text)?.[0] ?? ''
    this.#half = half === '' ? null : { type, text: half }
    return cleanText(text.slice(0, text.length - half.length))
  }

  #giveUp(result: ModelEvent[]): void {
    if (this.#half) result.push({ type: this.#half.type, text: '\uFFFD' })
    this.#half = null
  }
}

function isSuspicious(event: ModelEvent): boolean {
  if ('text' in event && suspicious.test(event.text)) return true
  if (event.type === 'tool_call') return escaped.test(JSON.stringify(event))
  return 'metadata' in event && escaped.test(JSON.stringify(event.metadata))
}

function clean<Value extends object>(value: Value): Value {
  const text = JSON.stringify(value)
  if (!escaped.test(text)) return value
  return JSON.parse(text, (_key, item: unknown) =>
    typeof item === 'string' ? cleanText(item) : item,
  ) as Value
}

function cleanText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}
