import type { Db } from '../database.ts'
import { toAppError } from '../errors.ts'
import { describe, type Log } from '../http/log.ts'
import type { Clock } from '../models/clock.ts'
import { isOver, LogReader, readResult } from './log-reader.ts'
import { sleep } from './sleep.ts'
import type { ExecutionStatus, FinishedExecution } from './types.ts'
import { keepAlive, keepAliveInterval, uiMessageStreamHeaders } from './ui-message-events.ts'

/** Milliseconds between two looks at an execution that is still running. */
export const followInterval = 250

/** Looks in a row that may fail before a follower is disconnected. */
const toleratedFailures = 8

export interface FollowDependencies {
  readonly db: Db
  readonly clock: Clock
  readonly log: Log
}

/**
 * Answers with the stream of an execution, whoever runs it: what is stored after an event, then
 * what comes, then the end. 204 when the client has it all, which is what the AI SDK's
 * `reconnectToStream` takes for "nothing to resume" and ends the retries of an EventSource.
 * @param after id of the last event the client has; 0 for none
 * @throws AppError `execution_not_found`
 */
export async function followExecution(
  { db, clock, log }: FollowDependencies,
  executionId: string,
  after: number,
): Promise<Response> {
  const reader = new LogReader(db, executionId, after)
  const headers = { 'x-execution-id': executionId }
  let next = await reader.read()
  if (next.ended && next.text === '') return new Response(null, { status: 204, headers })
  const encoder = new TextEncoder()
  const left = new AbortController()
  let first = true
  const body = new ReadableStream<Uint8Array>(
    {
      // Pulled, so that a client that does not read costs no look at the database either.
      async pull(controller) {
        if (!first || next.text === '') next = await readOn(reader, clock, left.signal)
        first = false
        if (left.signal.aborted) return
        if (next.text !== '') controller.enqueue(encoder.encode(next.text))
        if (next.ended) controller.close()
      },
      cancel: () => left.abort(),
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { ...uiMessageStreamHeaders, ...headers } })

  /** Waits for something to send: events, the end, or a sign that the connection is alive. */
  async function readOn(from: LogReader, time: Clock, signal: AbortSignal) {
    const silentUntil = time.now() + keepAliveInterval
    for (let failures = 0; ;) {
      await sleep(time, followInterval, signal)
      if (signal.aborted) return { text: '', ended: false }
      try {
        const read = await from.read()
        if (read.text !== '' || read.ended) return read
        failures = 0
      } catch (error) {
        failures += 1
        const { code } = toAppError(error)
        // The connection is cut: an end of ours would be taken for the execution's.
        if (code !== 'database_unavailable' || failures > toleratedFailures) {
          const detail = describe(error)
          log({ level: 'warn', event: 'follow_failed', execution_id: executionId, code, detail })
          throw error
        }
      }
      if (time.now() >= silentUntil) return { text: keepAlive, ended: false }
    }
  }
}

/** Waits for the end of an execution that someone else runs. */
export async function awaitExecution(
  { db, clock }: Pick<FollowDependencies, 'db' | 'clock'>,
  execution_id: string,
): Promise<FinishedExecution> {
  for (;;) {
    // Its status alone: of the events no more than the last batch.
    const after_seq = Number.MAX_SAFE_INTEGER
    const page = await db.call('read_execution', { execution_id, after_seq, max_batches: 1 })
    if (isOver((page as { status: ExecutionStatus }).status)) return readResult(db, execution_id)
    await sleep(clock, followInterval)
  }
}
