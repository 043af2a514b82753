import type { ModelEvent } from '../models/model-protocol.ts'

const usable = /^[\x21-\x7e]{1,128}$/

const isOfCall = (event: ModelEvent) =>
  event.type === 'tool_call' || event.type === 'tool_call_delta'

/**
 * Gives every call of an execution an id of its own: some providers count from zero in each answer.
 * Other ids stay as they are, because what a provider wants back verbatim may name them.
 */
export class ToolCallIds {
  readonly #seen = new Set<string>()
  /** The ids of calls whose pieces have come and that are not whole yet, by the provider's ids. */
  readonly #begun = new Map<string, string>()
  readonly #newId: () => string

  constructor(newId: () => string = () => crypto.randomUUID()) {
    this.#newId = newId
  }

  take(events: readonly ModelEvent[]): readonly ModelEvent[] {
    if (!events.some(isOfCall)) return events
    return events.map((event) => {
      if (!isOfCall(event)) return event
      const id = this.#begun.get(event.id) ?? this.#own(event.id)
      if (event.type === 'tool_call') this.#begun.delete(event.id)
      else this.#begun.set(event.id, id)
      return id === event.id ? event : { ...event, id }
    })
  }

  #own(given: string): string {
    const fresh = usable.test(given) && !this.#seen.has(given)
    const id = fresh ? given : `call_${this.#newId()}`
    this.#seen.add(id)
    return id
  }
}
