import type { Db } from '../../database.ts'
import { AppError } from '../../errors.ts'
import type { ExecutionStatus, FinishedExecution } from '../execution.ts'
import type { EventBatch } from './shared-events.ts'
import { BegunCalls, beginning, openAfter, type Position } from './ui-message-chunks.ts'
import { endText, eventsText } from './ui-message-stream.ts'

/** Batches per read; the database gives fewer when they are long. */
const pageSize = 100

interface Page {
  readonly status: ExecutionStatus
  readonly batches: readonly EventBatch[]
  /** Whether later batches are stored. */
  readonly more: boolean
}

export function isOver(status: ExecutionStatus): boolean {
  return status !== 'pending' && status !== 'running'
}

/** Reads the stream of an execution from the log, as the caller. */
export class LogReader {
  readonly #db: Db
  readonly #executionId: string
  readonly #after: number
  #position: Position = beginning
  #behind = false

  /** @param after id of the last event the client has; 0 for none */
  constructor(db: Db, executionId: string, after: number) {
    this.#db = db
    this.#executionId = executionId
    this.#after = after
  }

  /** After the last event that was read. */
  get position(): Position {
    return this.#position
  }

  /** The last event that the client has, or will have with what was read. */
  get seen(): number {
    return Math.max(this.#after, this.#position.id)
  }

  /** Whether the log holds more than was read: the next read does not wait. */
  get behind(): boolean {
    return this.#behind
  }

  /** Continues after events that the client got in another way. */
  moveTo(position: Position): void {
    this.#position = position
  }

  /**
   * The end of the stream, as text.
   * @throws AppError `execution_not_found` as read()
   */
  async endWith(stored: FinishedExecution): Promise<string> {
    const calls = stored.status === 'success' ? undefined : await this.#begunCalls()
    return endText(this.#executionId, this.#position, stored, this.#after, calls)
  }

  /**
   * The text since the last read, one page at most; with the end of the stream when the execution has
   * ended and this is the last page.
   * @throws AppError `execution_not_found` when the caller may not read it (any more)
   */
  async read(): Promise<{ readonly text: string; readonly ended: boolean }> {
    const page = await this.#page(this.seen)
    const text = this.#take(page)
    this.#behind = page.more
    if (page.more || !isOver(page.status)) return { text, ended: false }
    const stored = await readResult(this.#db, this.#executionId)
    return { text: text + (await this.endWith(stored)), ended: true }
  }

  /** The calls that a worker which died had begun; any other end is preceded by the ends of its calls. */
  async #begunCalls(): Promise<BegunCalls> {
    const calls = new BegunCalls()
    for (let last = 0; ;) {
      const { batches, more } = await this.#page(last)
      for (const { seq, events } of batches) {
        for (const event of events.slice(Math.max(last + 1 - seq, 0))) calls.add({ ...event })
        last = Math.max(last, seq + events.length - 1)
      }
      if (!more) return calls
    }
  }

  async #page(after: number): Promise<Page> {
    const page = await this.#db.call('read_execution', {
      execution_id: this.#executionId,
      after_seq: after,
      max_batches: pageSize,
    })
    return page as Page
  }

  // A batch may hold events that were read before: the one with the next event is always given.
  #take({ batches }: Page): string {
    let text = ''
    for (const { seq, events } of batches) {
      for (const [index, event] of events.entries()) {
        const id = seq + index
        if (id <= this.#position.id) continue
        this.#position = { id, open: openAfter(event) }
        // The same text as the worker's: what JSON.stringify wrote, it writes again.
        if (id > this.#after) text += eventsText(id, [JSON.stringify(event)])
      }
    }
    return text
  }
}

/** The stored end of an execution that is over. */
export async function readResult(db: Db, executionId: string): Promise<FinishedExecution> {
  const stored = await db.call('read_execution_result', { execution_id: executionId })
  if (stored === null) throw new AppError('execution_not_found')
  return stored as FinishedExecution
}
