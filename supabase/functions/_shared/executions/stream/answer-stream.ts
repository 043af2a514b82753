import { toAppError } from '../../errors.ts'
import type { WaitUntil } from '../../http/wait-until.ts'
import { errorStack, type Log } from '../../log/log.ts'
import type { Clock } from '../../time.ts'
import { createClientStream } from './client-stream.ts'
import { goneText, uiMessageStreamHeaders } from './ui-message-stream.ts'

/** Bytes kept for a client that reads slower than the model writes. */
const clientBacklog = 1024 * 1024

export interface AnswerStreamDependencies {
  readonly clock: Clock
  readonly log: Log
  readonly waitUntil: WaitUntil
}

/**
 * Answers with a stream at once. The end is sent only after it was stored, so a finished answer is
 * always in the database. A client that leaves changes nothing. When the end cannot be stored the
 * connection is cut; a client that resumes gets the outcome.
 * @param work writes the stream, its end included
 */
export function answerStream(
  execution_id: string,
  work: (write: (text: string) => void) => Promise<unknown>,
  { clock, log, waitUntil }: AnswerStreamDependencies,
): Response {
  const client = createClientStream({
    limit: clientBacklog,
    clock,
    onLost: (reason) => log({ level: 'info', event: `client_${reason}`, execution_id }),
  })
  const done = work(client.write).then(client.end, (thrown: unknown) => {
    const error = toAppError(thrown)
    const { code, cause = error } = error
    // Its session was deleted meanwhile: nothing is left that could contradict this end.
    if (code === 'execution_not_found') {
      client.write(goneText())
      return client.end()
    }
    // Another worker goes on, and the client that resumes follows it.
    const level = code === 'attempt_over' ? 'info' : 'error'
    log({ level, event: 'end_not_stored', execution_id, code, detail: errorStack(cause) })
    client.cut('the end could not be stored')
  })
  waitUntil(done)
  const headers = { ...uiMessageStreamHeaders, 'x-execution-id': execution_id }
  return new Response(client.readable, { headers })
}
