import { toAppError } from '../errors.ts'
import { describe, type Log } from '../http/log.ts'
import type { ModelEvent } from '../models/types.ts'
import { createClientStream } from './client-stream.ts'
import { endingError } from './ending.ts'
import type { BegunExecution, FinishedExecution } from './types.ts'
import { UiMessageStreamWriter, uiMessageStreamHeaders } from './ui-message-stream.ts'
import type { WaitUntil, Work } from './work.ts'

/** Bytes kept for a client that reads slower than the model writes. */
const clientBacklog = 1024 * 1024

/**
 * Answers with a stream at once. Its end is told only after it was stored, so what a client saw
 * finished is finished; a client that leaves changes nothing.
 */
export function answerStream(
  execution: BegunExecution,
  work: Work,
  { log, waitUntil }: { readonly log: Log; readonly waitUntil: WaitUntil },
): Response {
  const { execution_id, result } = execution
  const writer = new UiMessageStreamWriter()
  const client = createClientStream(clientBacklog, (reason) =>
    log({ level: 'info', event: `client_${reason}`, execution_id }),
  )
  client.write(writer.start(execution, result?.model ?? execution.route[0]?.name))
  if (result) client.write(writer.answer(toEvents(result)))
  const done = work((events) => client.write(writer.answer(events))).then(
    (stored) => client.write(lastEvents(writer, execution_id, stored)),
    (thrown: unknown) => {
      const error = toAppError(thrown)
      const { code, cause = error } = error
      log({ level: 'error', event: 'end_not_stored', execution_id, code, detail: describe(cause) })
      client.write(writer.error(error))
    },
  )
  waitUntil(done.then(() => client.end()))
  const headers = { ...uiMessageStreamHeaders, 'x-execution-id': execution_id }
  return new Response(client.readable, { headers })
}

function lastEvents(
  writer: UiMessageStreamWriter,
  executionId: string,
  stored: FinishedExecution,
): string {
  const error = endingError(executionId, stored)
  if (!error) return writer.finish(stored)
  return error.code === 'execution_cancelled' ? writer.abort(error.code) : writer.error(error)
}

/** The events that a stored message would have been streamed as. */
function toEvents({ message }: FinishedExecution): ModelEvent[] {
  if (!message) return []
  if (!message.parts) return [{ type: 'text', text: message.content }]
  return message.parts.filter(isStreamed)
}

function isStreamed(part: unknown): part is { type: 'text' | 'reasoning'; text: string } {
  const { type, text } = part as { type?: unknown; text?: unknown }
  return (type === 'text' || type === 'reasoning') && typeof text === 'string'
}
