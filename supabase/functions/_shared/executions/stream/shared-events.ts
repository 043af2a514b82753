import { openAfter, type Position } from './ui-message-chunks.ts'
import { eventsText } from './ui-message-stream.ts'

/** A batch of the log: the id of its first event, and its events. */
export interface EventBatch {
  readonly seq: number
  readonly events: readonly { readonly type?: unknown; readonly id?: unknown }[]
}

interface SharedEvent {
  readonly position: Position
  readonly text: string
}

/** Characters of events that are kept for followers who have not read them yet. */
export const keptLength = 256 * 1024

/** The newest events of an execution as the text that all its followers are sent. */
export class SharedEvents {
  #events: SharedEvent[] = []
  #length = 0
  /** Before the first event that is kept. */
  #base: number
  #position: Position
  /** Followers mostly stand at the same place: what is between two places is joined once. */
  #joined = new Map<number, string>()

  constructor(position: Position) {
    this.#base = position.id
    this.#position = position
  }

  get position(): Position {
    return this.#position
  }

  add(batches: readonly EventBatch[]): void {
    for (const { seq, events } of batches) {
      for (const [index, event] of events.entries()) {
        const id = seq + index
        // A batch may hold events that were read before.
        if (id <= this.#position.id) continue
        this.#position = { id, open: openAfter(event) }
        // The same text as the worker's: what JSON.stringify wrote, it writes again.
        const text = eventsText(id, [JSON.stringify(event)])
        this.#events.push({ position: this.#position, text })
        this.#length += text.length
      }
    }
    this.#joined.clear()
    this.#forget()
  }

  /** What follows an event, as far as it is known; null when that is not kept any more. */
  after(id: number): string | null {
    if (id < this.#base) return null
    const known = this.#joined.get(id)
    if (known !== undefined) return known
    const first = this.#events.findLastIndex(({ position }) => position.id <= id) + 1
    const text = this.#events
      .slice(first)
      .map((event) => event.text)
      .join('')
    this.#joined.set(id, text)
    return text
  }

  #forget(): void {
    let count = 0
    while (this.#length > keptLength) {
      const event = this.#events[count]
      if (!event) break
      this.#length -= event.text.length
      this.#base = event.position.id
      count += 1
    }
    this.#events.splice(0, count)
  }
}
