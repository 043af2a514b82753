import { toAppError } from '../errors.ts'
import {
  type BegunExecution,
  endingError,
  type FinishedExecution,
} from '../executions/execution.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { createClientStream } from '../executions/stream/client-stream.ts'
import { errorStack } from '../log/log.ts'
import { sleep } from '../time.ts'
import { chatStreamHeaders } from './chat-chunks.ts'
import { identityOf, modelId, modelOf } from './chat-completion.ts'
import type { ChatRequest } from './chat-request.ts'
import { type OnEvents, runChat } from './chat-run.ts'
import { toOpenAiError } from './openai-error.ts'

/** Bytes kept for a client that reads slower than the model writes. */
const clientBacklog = 1024 * 1024

/**
 * Milliseconds for which a status is held back. A failure before the first output is then an HTTP
 * error, which clients know how to repeat; after it, or after this time, it is one in the stream.
 */
export const statusPatience = 10_000

/**
 * Answers a chat completion as a stream, whose end is told only after it was stored.
 * @param awaitEnd waits for the end of an execution that another request began
 * @param leave called when the client leaves the stream
 * @throws AppError why it failed before anything was sent
 */
export async function streamChat(
  deps: InvokeDependencies,
  execution: BegunExecution,
  request: ChatRequest,
  awaitEnd: (signal: AbortSignal) => Promise<FinishedExecution>,
  leave: () => void,
): Promise<Response> {
  const { clock, log, waitUntil } = deps
  const { execution_id } = execution
  const identity = identityOf(execution)
  const chunks = request.dialect.createWriter(execution)
  const left = new AbortController()
  const client = createClientStream({
    limit: clientBacklog,
    clock,
    onLost: (reason) => {
      log({ level: 'info', event: `client_${reason}`, execution_id })
      left.abort()
      leave()
    },
  })
  const opened = new AbortController()
  const onEvents: OnEvents = (events, step) => {
    client.write(chunks.answer(modelOf(identity, step ?? execution.route[0]), events))
    opened.abort()
  }
  const awaitHere = () => awaitEnd(left.signal)
  const done = runChat(deps, execution, request, awaitHere, onEvents).then((stored) => {
    const error = endingError(execution_id, stored)
    if (error) throw error
    const model = modelId(identity.agent, stored.model)
    if (execution.replayed) client.write(chunks.repeat(model, stored))
    client.write(chunks.finish(model, stored))
    client.end()
  })
  const told = done.catch((thrown: unknown) => {
    if (!opened.signal.aborted) return client.cut('it failed before it began')
    const error = toAppError(thrown)
    if (error.status >= 500) {
      const { code, cause = error } = error
      log({ level: 'error', event: 'stream_failed', execution_id, code, detail: errorStack(cause) })
    }
    client.write(chunks.error(toOpenAiError(error).body))
    client.end()
  })
  waitUntil(told)
  const patience = sleep(clock, statusPatience, opened.signal).then(() => opened.abort())
  try {
    await Promise.race([done, patience])
  } finally {
    opened.abort()
  }
  const headers = { ...chatStreamHeaders, 'x-execution-id': execution_id }
  return new Response(client.readable, { headers })
}
