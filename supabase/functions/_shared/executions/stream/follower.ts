import { abortable } from '../../time.ts'
import type { FinishedExecution } from '../execution.ts'
import type { SharedEvents } from './shared-events.ts'
import type { Position } from './ui-message-chunks.ts'

/** The next result for a follower. */
export type Told =
  | { readonly kind: 'events'; readonly text: string; readonly position: Position }
  /** It reads so slowly that the worker no longer keeps its text: it reads the log itself. */
  | { readonly kind: 'behind' }
  /** The position is that of the last event; null where none was read. */
  | { readonly kind: 'end'; readonly result: FinishedExecution; readonly position: Position | null }
  /** It may not read the execution any more, or there is no such execution any more. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'silence' }

/** One follower of an execution. It gets the result of each poll that asked for it. */
export class Follower {
  readonly sessionId: string
  readonly #onLeave: () => void
  /** The position of the last poll that allowed it; it may not get later events yet. */
  #allowed: { readonly events: SharedEvents; readonly position: Position } | null = null
  #result: FinishedExecution | null = null
  #refused = false
  #failure: unknown = null
  #woken = false
  #wake: (() => void) | null = null

  constructor(sessionId: string, onLeave: () => void) {
    this.sessionId = sessionId
    this.#onLeave = onLeave
  }

  allow(events: SharedEvents | null, result: FinishedExecution | null): void {
    const moved = events !== null && events.position.id !== this.#allowed?.position.id
    this.#allowed = events && { events, position: events.position }
    this.#result = result
    if (result) this.#onLeave()
    if (moved || result) this.#rouse()
  }

  refuse(): void {
    this.#refused = true
    this.leave()
  }

  fail(error: unknown): void {
    this.#failure = error
    this.leave()
  }

  /** Ends a wait although there is nothing to tell. */
  wake(): void {
    this.#woken = true
    this.#rouse()
  }

  leave(): void {
    this.#onLeave()
    this.#rouse()
  }

  /**
   * Waits for what comes after an event.
   * @throws what the looks at the database failed with, or the signal's reason
   */
  async next(after: number, signal: AbortSignal): Promise<Told> {
    for (;;) {
      signal.throwIfAborted()
      const told = this.#tell(after)
      if (told) return told
      const roused = new Promise<void>((resolve) => (this.#wake = resolve))
      await abortable(roused, signal)
    }
  }

  #tell(after: number): Told | null {
    if (this.#refused) return { kind: 'refused' }
    if (this.#allowed && after < this.#allowed.position.id) {
      const { events, position } = this.#allowed
      const text = events.after(after)
      return text === null ? { kind: 'behind' } : { kind: 'events', text, position }
    }
    if (this.#result) {
      return { kind: 'end', result: this.#result, position: this.#allowed?.position ?? null }
    }
    if (this.#failure !== null) throw this.#failure as Error
    if (!this.#woken) return null
    // Reported once: the next silence is another one.
    this.#woken = false
    return { kind: 'silence' }
  }

  #rouse(): void {
    this.#wake?.()
    this.#wake = null
  }
}
