import type { Admin } from '../../database.ts'
import { toAppError } from '../../errors.ts'
import type { WaitUntil } from '../../http/wait-until.ts'
import { errorStack, type Log } from '../../log/log.ts'
import { type Clock, sleep } from '../../time.ts'
import type { ExecutionStatus, FinishedExecution } from '../execution.ts'
import { type EventBatch, SharedEvents } from './shared-events.ts'
import { Follower } from './follower.ts'
import type { Position } from './ui-message-chunks.ts'
import { keepAliveInterval } from './ui-message-stream.ts'

/** Milliseconds between two polls of a followed execution. */
export const followInterval = 250

/** Polls in a row that may fail before the followers are disconnected. */
export const toleratedFailures = 8

export interface SharedPollsDependencies {
  /** One poll for followers of many people; it answers for each one whether they may read. */
  readonly admin: Admin
  readonly clock: Clock
  readonly log: Log
  readonly waitUntil: WaitUntil
}

/** Which execution is followed, and by which auth session. */
export interface FollowTarget {
  readonly organizationId: number
  readonly executionId: string
  readonly sessionId: string
}

/** What `follow_execution` answers; null when the execution is gone. */
interface Look {
  readonly status: ExecutionStatus
  readonly batches: readonly EventBatch[]
  /** The given auth sessions that may read the execution now. */
  readonly readers: readonly string[]
  readonly result: FinishedExecution | null
}

interface Watched {
  readonly followers: Set<Follower>
  /** null while every follower waits for the end alone, and no event is read. */
  events: SharedEvents | null
}

/**
 * Polls each followed execution once per interval for all its followers, and gives the same text to
 * all of them. Each poll asks the database which followers may still read.
 */
export class SharedPolls {
  readonly #deps: SharedPollsDependencies
  readonly #watched = new Map<string, Watched>()

  constructor(deps: SharedPollsDependencies) {
    this.#deps = deps
  }

  /** @param position after what the follower has read; null when it waits for the end alone */
  join(
    { organizationId, executionId, sessionId }: FollowTarget,
    position: Position | null,
  ): Follower {
    const key = `${organizationId}/${executionId}`
    const known = this.#watched.get(key)
    const watched = known ?? { followers: new Set(), events: null }
    if (position) watched.events ??= new SharedEvents(position)
    const follower = new Follower(sessionId, () => watched.followers.delete(follower))
    watched.followers.add(follower)
    if (!known) {
      this.#watched.set(key, watched)
      this.#deps.waitUntil(this.#watch(key, watched, { organizationId, executionId }))
    }
    return follower
  }

  async #watch(
    key: string,
    watched: Watched,
    target: Omit<FollowTarget, 'sessionId'>,
  ): Promise<void> {
    const { clock, log } = this.#deps
    let failures = 0
    let spoke = clock.now()
    try {
      for (;;) {
        await sleep(clock, followInterval)
        if (watched.followers.size === 0) return
        try {
          if (await this.#look(watched, target)) spoke = clock.now()
          failures = 0
        } catch (error) {
          failures += 1
          const { code } = toAppError(error)
          if (code !== 'database_unavailable' || failures > toleratedFailures) {
            const detail = errorStack(error)
            const { executionId: execution_id } = target
            log({ level: 'warn', event: 'follow_failed', execution_id, code, detail })
            for (const follower of watched.followers) follower.fail(error)
            return
          }
        }
        if (clock.now() - spoke >= keepAliveInterval) {
          spoke = clock.now()
          for (const follower of watched.followers) follower.wake()
        }
      }
    } finally {
      this.#watched.delete(key)
    }
  }

  /** One poll, for the followers at its beginning; true when it found something new. */
  async #look(
    watched: Watched,
    { organizationId, executionId }: Omit<FollowTarget, 'sessionId'>,
  ): Promise<boolean> {
    const { events } = watched
    const asked = [...watched.followers]
    const look = (await this.#deps.admin.call('follow_execution', {
      organization_id: organizationId,
      execution_id: executionId,
      // Of the events no more than the last batch while nobody reads any.
      after_seq: events?.position.id ?? Number.MAX_SAFE_INTEGER,
      sessions: [...new Set(asked.map(({ sessionId }) => sessionId))],
    })) as Look | null
    const before = events?.position.id
    events?.add(look?.batches ?? [])
    const readers = new Set(look?.readers)
    // A page that is full may not be the last: the end waits for what follows.
    const result = look && look.batches.length < 500 ? look.result : null
    for (const follower of asked) {
      if (!readers.has(follower.sessionId)) follower.refuse()
      else follower.allow(events, result)
    }
    return events?.position.id !== before || watched.followers.size < asked.length
  }
}
