import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import type { ModelMessage } from '../models/model-protocol.ts'
import { invalid } from './chat-body.ts'
import { chatLimit, type PreviousResponse } from './chat-request.ts'
import { UnknownResponseError } from './openai-error.ts'

const parameter = 'previous_response_id'

/**
 * Reads what was asked and answered up to a response, as the caller.
 * @throws UnknownResponseError for a response that the caller cannot follow
 * @throws AppError `invalid_request` when it cannot be repeated whole
 */
export async function readPrevious(
  db: Db,
  id: string | null | undefined,
): Promise<PreviousResponse | null> {
  if (id === null || id === undefined) return null
  const [, executionId] = /^resp_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(id) ?? []
  if (executionId === undefined) throw new UnknownResponseError(id)
  const { messages, is_whole } = await readResponse(db, id, executionId)
  if (!is_whole)
    throw invalid(parameter, `its conversation is longer than ${chatLimit.bytes} bytes`)
  // A model would answer without the file, and say nothing of it.
  const hasUnstored = messages.some(({ parts }) =>
    parts?.some((part) => part.type === 'text' && part.not_stored),
  )
  if (hasUnstored) {
    throw invalid(
      parameter,
      'its conversation has a file that is not stored. Send all of it as input',
    )
  }
  return { id, executionId, messages }
}

async function readResponse(db: Db, id: string, executionId: string): Promise<Stored> {
  try {
    return (await db.call('read_response', { execution_id: executionId })) as Stored
  } catch (error) {
    throw asUnknown(error, id)
  }
}

interface Stored {
  readonly messages: readonly ModelMessage[]
  readonly is_whole: boolean
}

/** What the database says of a response that is not there, in OpenAI's words. */
export function asUnknown(error: unknown, id: string): unknown {
  const isUnknown = error instanceof AppError && error.code === 'execution_not_found'
  return isUnknown ? new UnknownResponseError(id) : error
}

/** @throws AppError `invalid_request` for a call of an earlier answer that has no output */
export function checkCallsAnswered(
  earlier: readonly ModelMessage[],
  input: readonly ModelMessage[],
): void {
  const parts = [...earlier, ...input].flatMap((message) => message.parts ?? [])
  const answered = new Set(
    parts.flatMap((part) => (part.type === 'tool_result' ? [part.tool_call_id] : [])),
  )
  const open = earlier
    .flatMap((message) => message.parts ?? [])
    .find((part) => part.type === 'tool_call' && !answered.has(part.id))
  if (open?.type !== 'tool_call') return
  throw invalid('input', `No tool output found for function call ${open.id}.`)
}
