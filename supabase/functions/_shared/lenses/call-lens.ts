import type { Caller } from '../auth/access-token.ts'
import { sha256Hex } from '../crypto/secret.ts'
import type { Db } from '../database.ts'
import { checkFormat, keepFormat, toResponseFormat } from '../executions/answer-format.ts'
import type { BegunExecution, FinishedExecution } from '../executions/execution.ts'
import type { InvokeDependencies } from '../executions/invoke.ts'
import { requestBytes } from '../executions/request-bytes.ts'
import { timeForWholeAnswer } from '../executions/run-state.ts'
import { runExecution } from '../executions/run.ts'
import { awaitExecution } from '../executions/stream/follow-execution.ts'
import type { ParsedSchema } from '../json-schema/parse-schema.ts'
import type { ModelMessage } from '../models/model-protocol.ts'

export interface LensCall {
  /** Names the call within its run, so that a worker that goes on gets the answer that is there. */
  readonly key: string
  readonly projectId: number
  readonly agent: string | null
  readonly model: string | null
  readonly messages: readonly ModelMessage[]
  readonly schema: ParsedSchema
}

export interface LensCaller {
  readonly caller: Caller
  readonly db: Db
  /** When the request came, on the clock. */
  readonly since: number
}

const nothingToRun = { route: [], system_prompts: [], history: [], params: {}, tools: [] } as const

/** The end of a call, and the execution that it was. */
export interface LensAnswer {
  readonly executionId: string
  readonly stored: FinishedExecution
}

/**
 * Asks a model about content. It is an execution as any other: permission, budget, limits, route, breaker
 * and ledger. The content is not stored with it.
 * @throws AppError why no execution began, or why its end could not be stored or read
 */
export async function callLens(
  deps: InvokeDependencies,
  { caller, db, since }: LensCaller,
  { key, projectId, agent, model, messages, schema }: LensCall,
): Promise<LensAnswer> {
  const asked = { messages, responseFormat: toResponseFormat(schema) }
  const begun = (await db.call('begin_execution', {
    request: {
      // What is not stored distinguishes requests all the same.
      message: {
        content: [{ type: 'text', text: '' }],
        digest: await sha256Hex(JSON.stringify(messages)),
      },
      agent,
      model,
      project_id: projectId,
      params: keepFormat({ params: {}, asked }),
      transient: true,
      input_bytes: requestBytes(messages, asked.responseFormat),
    },
    idempotency_key: key,
    providers: [...deps.models.providers],
  })) as BegunExecution
  const executionId = begun.execution_id
  if (begun.replayed) {
    const left = new AbortController().signal
    const stored =
      begun.result ?? (await awaitExecution(deps, caller, executionId, left, timeForWholeAnswer))
    return { executionId, stored }
  }
  const execution = { ...nothingToRun, ...begun, asked }
  const stored = await runExecution({ ...deps, admin: deps.database.admin }, execution, {
    stream: false,
    since,
    check: (answer) => checkFormat(schema, answer),
  })
  return { executionId, stored }
}
