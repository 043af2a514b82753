import type { Admin } from '../../database.ts'
import { toAppError } from '../../errors.ts'
import { type Clock, sleep } from '../../time.ts'
import type { BegunExecution, Outcome } from '../execution.ts'

/** Milliseconds between two database calls of one stream, at least. */
export const appendInterval = 1_000
/** Milliseconds for which the first batch waits for more: most of a short answer then needs no call. */
export const firstAppendDelay = 50
/**
 * The longest time in milliseconds between two renewals of the lease. It decides how soon a cancel
 * is noticed.
 */
export const heartbeatInterval = 1_250

export interface EventLogOptions {
  readonly clock: Clock
  /** Called once when this worker must stop: the execution was cancelled, or its attempt is over. */
  readonly onEnded: (status: unknown) => void
  /** Called when a call failed; the next call stores its events. */
  readonly onError: (error: unknown) => void
}

/**
 * Stores the events of a running execution in batches, which also renew the lease. It makes one
 * call at a time. It sends a batch without acknowledgement again, with the later events.
 * @param admin because clients must write neither events nor leases
 */
export class EventLog {
  readonly #admin: Admin
  readonly #execution: BegunExecution
  readonly #options: EventLogOptions
  readonly #stopped = new AbortController()
  readonly #loop: Promise<void>
  /** Not yet acknowledged, the first of them with id `#stored + 1`. */
  #pending: string[] = []
  #stored = 0
  #appendDue: number
  #heartbeatDue: number
  #wake: AbortController | null = null

  constructor(admin: Admin, execution: BegunExecution, options: EventLogOptions) {
    this.#admin = admin
    this.#execution = execution
    this.#options = options
    const now = options.clock.now()
    this.#appendDue = now
    this.#heartbeatDue = now + heartbeatInterval
    this.#loop = this.#run()
  }

  /** Adds chunks, as JSON texts. They are stored soon, at the latest with the end. */
  append(chunks: readonly string[]): void {
    if (this.#pending.length === 0) {
      this.#appendDue = Math.max(this.#appendDue, this.#options.clock.now() + firstAppendDelay)
      this.#wake?.abort()
    }
    this.#pending.push(...chunks)
  }

  /** Ends the calls, and returns the events that are not stored, for the outcome. */
  async stop(): Promise<Pick<Outcome, 'events' | 'events_seq'>> {
    this.#stopped.abort()
    this.#wake?.abort()
    await this.#loop
    if (this.#pending.length === 0) return {}
    return { events: `[${this.#pending.join(',')}]`, events_seq: this.#stored + 1 }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stopped.signal.aborted) {
      const appends = this.#pending.length > 0 && this.#appendDue <= this.#heartbeatDue
      const wait = (appends ? this.#appendDue : this.#heartbeatDue) - clock.now()
      if (wait > 0) {
        this.#wake = new AbortController()
        await sleep(clock, wait, this.#wake.signal)
        continue
      }
      this.#appendDue = clock.now() + appendInterval
      this.#heartbeatDue = clock.now() + heartbeatInterval
      await this.#call()
    }
  }

  async #call(): Promise<void> {
    try {
      const status = await this.#store()
      if (status === 'running' || this.#stopped.signal.aborted) return
      this.#end(status)
    } catch (error) {
      if (toAppError(error).code === 'attempt_over') this.#end('attempt_over')
      this.#options.onError(error)
    }
  }

  #end(status: unknown): void {
    this.#stopped.abort()
    this.#options.onEnded(status)
  }

  async #store(): Promise<unknown> {
    const { organization_id, execution_id, attempt } = this.#execution
    const count = this.#pending.length
    if (count === 0) {
      return this.#admin.call('renew_execution_lease', { organization_id, execution_id, attempt })
    }
    const status = await this.#admin.call('append_execution_events', {
      organization_id,
      execution_id,
      seq: this.#stored + 1,
      events: `[${this.#pending.join(',')}]`,
      attempt,
    })
    this.#pending.splice(0, count)
    this.#stored += count
    return status
  }
}
