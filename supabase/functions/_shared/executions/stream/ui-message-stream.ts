import { AppError } from '../../errors.ts'
import { endingError, type FinishedExecution } from '../execution.ts'
import { isCancellation, isLeftToPerson } from '../outcome.ts'
import {
  abortChunks,
  type BegunCalls,
  cutCallChunks,
  errorChunks,
  finishChunks,
  type OpenPart,
  personChunks,
  type Position,
} from './ui-message-chunks.ts'

/** Headers of an AI SDK UI message stream, version 1, that no proxy may hold back. */
export const uiMessageStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
  'x-vercel-ai-ui-message-stream': 'v1',
} as const

/** A comment that keeps idle connections open; it is no event and has no id. */
export const keepAlive = ': keep-alive\n\n'

/** Milliseconds of silence after which a stream says that it is alive. */
export const keepAliveInterval = 10_000

/** Chunks as server-sent events. Each has an `id:`, its place in the stream counted from 1. */
export function eventsText(firstId: number, chunks: readonly string[]): string {
  let text = ''
  let id = firstId
  for (const chunk of chunks) text += `id: ${id++}\ndata: ${chunk}\n\n`
  return text
}

/** Chunks that are no part of an execution's stream: a client that resumes does so before them. */
export function withoutIds(chunks: readonly string[]): string {
  return chunks.map((chunk) => `data: ${chunk}\n\n`).join('')
}

/**
 * The gap before the ids of the end of an execution whose worker died. That worker may have sent
 * events that are not stored, and their ids must differ from those of the end.
 */
export const lostEvents = 1_000_000

/**
 * The end of a stream as text. No table stores it: it follows from the stored end of the execution
 * and the position after the last stored event, so every worker writes the same bytes.
 * @param after events up to this id are left out
 * @param calls of an execution whose worker died: the calls that had begun
 */
export function endText(
  executionId: string,
  position: Position,
  stored: FinishedExecution,
  after = 0,
  calls?: BegunCalls,
): string {
  const first = position.id + 1 + (stored.error_code === 'interrupted' ? lostEvents : 0)
  const cut = calls ? cutCallChunks(position.open, calls) : []
  const open = cut.length > 0 ? null : position.open
  const chunks = [...cut, ...lastChunks(executionId, open, stored), '[DONE]']
  const seen = Math.min(Math.max(after + 1 - first, 0), chunks.length)
  return eventsText(first + seen, chunks.slice(seen))
}

/**
 * The end of a stream that cannot continue for its reader: the execution was deleted, or the reader
 * may not read it any more. It does not end the execution, so its events have no ids.
 */
export function goneText(): string {
  const { code, message } = new AppError('execution_not_found')
  return withoutIds([...errorChunks(null, `${code}: ${message}`), '[DONE]'])
}

function lastChunks(
  executionId: string,
  open: OpenPart | null,
  stored: FinishedExecution,
): string[] {
  const error = endingError(executionId, stored)
  if (isLeftToPerson(stored)) return personChunks(executionId, stored)
  if (!error) return finishChunks(open, stored)
  const { code, message } = error
  return isCancellation(code) ? abortChunks(open, code) : errorChunks(open, `${code}: ${message}`)
}
