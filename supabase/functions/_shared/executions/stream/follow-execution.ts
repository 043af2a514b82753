import type { Caller } from '../../auth/access-token.ts'
import type { Db } from '../../database.ts'
import { AppError } from '../../errors.ts'
import type { PersonLimit } from '../../http/person-limit.ts'
import type { Log } from '../../log/log.ts'
import type { Clock } from '../../time.ts'
import type { FinishedExecution } from '../execution.ts'
import type { SharedPolls } from './shared-polls.ts'
import type { Follower } from './follower.ts'
import { LogReader } from './log-reader.ts'
import { goneText, keepAlive, uiMessageStreamHeaders } from './ui-message-stream.ts'

/** A follower that reads nothing for these milliseconds is disconnected. */
export const longestUnread = 60_000

export interface FollowDependencies {
  readonly db: Db
  readonly polls: SharedPolls
  /** How many executions one person may follow at once, here. */
  readonly followers: PersonLimit
  readonly clock: Clock
  readonly log: Log
}

type Reader = Pick<Caller, 'userId' | 'sessionId' | 'organizationId'>

/**
 * Answers with the stream of an execution of any worker: the stored events after a given one, then
 * new events, then the end. 204 when the client has all of them: the AI SDK's `reconnectToStream`
 * takes it for "nothing to resume", and an EventSource stops its retries.
 * @param after id of the last event the client has; 0 for none
 * @throws AppError `execution_not_found`, `too_many_requests`
 */
export async function followExecution(
  deps: FollowDependencies,
  caller: Reader,
  executionId: string,
  after: number,
): Promise<Response> {
  const leave = deps.followers.enter(caller.userId)
  const headers = { 'x-execution-id': executionId }
  try {
    const reader = new LogReader(deps.db, executionId, after)
    const first = await reader.read()
    if (first.ended && first.text === '') {
      leave()
      return new Response(null, { status: 204, headers })
    }
    const { organizationId, sessionId } = caller
    const target = { organizationId, executionId, sessionId }
    const follower = first.ended ? null : deps.polls.join(target, reader.position)
    const onEnd = () => {
      follower?.leave()
      leave()
    }
    const body = streamOf(deps.clock, first, (signal) => readOn(reader, follower, signal), onEnd)
    return new Response(body, { headers: { ...uiMessageStreamHeaders, ...headers } })
  } catch (error) {
    leave()
    throw error
  }
}

interface Piece {
  readonly text: string
  readonly ended: boolean
}

/**
 * A pull stream: for a client that does not read it keeps no text here, and it ends after a time.
 */
function streamOf(
  clock: Clock,
  first: Piece,
  readNext: (signal: AbortSignal) => Promise<Piece>,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const left = new AbortController()
  let next: Piece | null = first.text === '' ? null : first
  let unread: unknown = null
  const end = () => {
    clock.clearTimeout(unread)
    left.abort()
    onEnd()
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        giveUpLater(controller)
      },
      async pull(controller) {
        clock.clearTimeout(unread)
        try {
          const { text, ended } = next ?? (await readNext(left.signal))
          next = null
          // The client left while this waited.
          if (left.signal.aborted) return
          controller.enqueue(encoder.encode(text))
          if (!ended) return giveUpLater(controller)
          controller.close()
          end()
        } catch (error) {
          if (left.signal.aborted) return
          end()
          throw error
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )

  function giveUpLater(controller: ReadableStreamDefaultController<Uint8Array>): void {
    unread = clock.setTimeout(() => {
      controller.error(new Error('the client does not read'))
      end()
    }, longestUnread)
  }
}

/** Waits for something to send: a page of the log, events, an end, or a sign that the connection is alive. */
async function readOn(
  reader: LogReader,
  follower: Follower | null,
  signal: AbortSignal,
): Promise<Piece> {
  if (reader.behind) {
    const read = await reader.read()
    return read.text === '' ? readOn(reader, follower, signal) : read
  }
  if (!follower) throw new Error('an execution that is over has nothing more to tell')
  const told = await follower.next(reader.seen, signal)
  switch (told.kind) {
    case 'events':
      reader.moveTo(told.position)
      return { text: told.text, ended: false }
    case 'behind': {
      const read = await reader.read()
      return read.text === '' ? readOn(reader, follower, signal) : read
    }
    case 'end':
      if (told.position) reader.moveTo(told.position)
      return { text: await reader.endWith(told.result), ended: true }
    case 'refused':
      return { text: goneText(), ended: true }
    case 'silence':
      return { text: keepAlive, ended: false }
  }
}

/**
 * Waits for the end of an execution that another worker runs, as long as the client waits.
 * @param longest milliseconds after which it waits no longer
 * @throws AppError `execution_not_found`, `too_many_requests`, `answer_timeout` after the longest time,
 * and `execution_in_progress` to a client that left
 */
export async function awaitExecution(
  { polls, followers, clock }: Pick<FollowDependencies, 'polls' | 'followers' | 'clock'>,
  { userId, organizationId, sessionId }: Reader,
  executionId: string,
  signal: AbortSignal,
  longest?: number,
): Promise<FinishedExecution> {
  const leave = followers.enter(userId)
  const follower = polls.join({ organizationId, executionId, sessionId }, null)
  const late = new AbortController()
  const timer = longest === undefined ? null : clock.setTimeout(() => late.abort(), longest)
  const ended = AbortSignal.any([signal, late.signal])
  try {
    for (;;) {
      const told = await follower.next(Number.MAX_SAFE_INTEGER, ended)
      if (told.kind === 'end') return told.result
      if (told.kind === 'refused') throw new AppError('execution_not_found')
    }
  } catch (error) {
    if (late.signal.aborted) throw new AppError('answer_timeout')
    throw signal.aborted ? new AppError('execution_in_progress') : error
  } finally {
    if (timer !== null) clock.clearTimeout(timer)
    follower.leave()
    leave()
  }
}
