import type { ModelEvent } from '../models/model-protocol.ts'

const usable = /^[\x21-\x7e]{1,128}$/

/**
 * Gives every call of an execution an id of its own: some providers count from zero in each answer.
 * Other ids stay as they are, because what a provider wants back verbatim may name them.
 */
export class ToolCallIds {
  readonly #seen = new Set<string>()
  readonly #newId: () => string

  constructor(newId: () => string = () => crypto.randomUUID()) {
    this.#newId = newId
  }

  take(events: readonly ModelEvent[]): readonly ModelEvent[] {
    if (!events.some(({ type }) => type === 'tool_call')) return events
    return events.map((event) => {
      if (event.type !== 'tool_call') return event
      const fresh = usable.test(event.id) && !this.#seen.has(event.id)
      const id = fresh ? event.id : `call_${this.#newId()}`
      this.#seen.add(id)
      return fresh ? event : { ...event, id }
    })
  }
}
