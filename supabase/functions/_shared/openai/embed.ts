import type { Caller } from '../auth/access-token.ts'
import { AppError } from '../errors.ts'
import {
  type BegunExecution,
  endingError,
  type FinishedExecution,
} from '../executions/execution.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { runExecution } from '../executions/run.ts'
import type { Vector } from '../models/model-protocol.ts'
import { inOrder } from './begin-chat.ts'
import { identityOf, modelId } from './chat-completion.ts'
import { cancelLeft } from './complete-chat.ts'
import type { EmbeddingsRequest } from './embeddings-body.ts'

const encoder = new TextEncoder()

/** The vectors of texts, and the execution that made them. */
export interface Embedded {
  readonly execution: BegunExecution
  readonly stored: FinishedExecution
  readonly vectors: readonly Vector[]
}

/** Answers with the vectors of texts; see embedTexts(). */
export async function embed(
  deps: InvokeDependencies,
  caller: Caller,
  request: EmbeddingsRequest,
  signal: AbortSignal,
): Promise<Response> {
  return answer(await embedTexts(deps, caller, request, signal))
}

/**
 * Makes the vectors of texts. It is an execution as any other: budget, limits, route, breaker and
 * ledger. Neither texts nor vectors are stored. A client that leaves cancels it.
 * @param signal aborts when the client leaves
 * @throws AppError why there are no vectors
 */
export async function embedTexts(
  deps: InvokeDependencies,
  caller: Caller,
  request: EmbeddingsRequest,
  signal: AbortSignal,
): Promise<Embedded> {
  const db = deps.database.forCaller(caller.accessToken)
  const asked = { messages: [], embed: request.embed }
  const execution = await inOrder(db, request.model, async (target): Promise<BegunExecution> => {
    const begun = await db.call('begin_execution', {
      request: {
        // The texts are not stored; an execution answers a message.
        message: { content: [{ type: 'text', text: '' }] },
        ...target,
        transient: true,
        capability: 'embeddings',
        end_user: request.endUser,
        input_bytes: encoder.encode(JSON.stringify(request.embed.input)).byteLength,
      },
      idempotency_key: undefined,
      providers: [...deps.models.providers],
    })
    return { ...(begun as BegunExecution), asked }
  })
  const leave = () => deps.waitUntil(cancelLeft(deps, db, execution))
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    let vectors: readonly Vector[] = []
    const done = runExecution({ ...deps, admin: deps.database.admin }, execution, {
      stream: false,
      onEvents: (events) => {
        for (const event of events) if (event.type === 'embeddings') vectors = event.vectors
      },
    })
    deps.waitUntil(done)
    const stored = await done
    const error = endingError(execution.execution_id, stored)
    if (error) throw error
    // Another worker cannot have ended it with success: it has no vectors.
    if (vectors.length === 0) throw new AppError('internal_error')
    return { execution, stored, vectors }
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function answer({ execution, stored, vectors }: Embedded): Response {
  const { execution_id } = execution
  const { input_tokens } = stored.usage
  const body = {
    object: 'list',
    data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    model: modelId(identityOf(execution).agent, stored.model),
    ...(input_tokens !== null && {
      usage: { prompt_tokens: input_tokens, total_tokens: input_tokens },
    }),
  }
  return Response.json(body, { headers: { 'x-execution-id': execution_id } })
}
