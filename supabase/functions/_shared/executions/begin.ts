import { sha256Hex } from '../crypto/secret.ts'
import type { Db } from '../database.ts'
import { keepFormat, toResponseFormat } from './answer-format.ts'
import type { MessagePart } from '../models/model-protocol.ts'
import type { BegunExecution } from './execution.ts'
import { readFiles } from '../files/read-files.ts'
import { isInline, toStoredPart } from './inline-data.ts'
import { type AskedPart, type Invocation, namedFiles, toMessageParts } from './invocation.ts'
import { requestBytes } from './request-bytes.ts'
import { titleOf } from './title.ts'

// The fields that a replayed execution lacks, because it does not run again.
const nothingToRun = { route: [], system_prompts: [], history: [], params: {}, tools: [] } as const

/**
 * Begins an execution in the caller's name: one transaction that checks everything and stores the
 * user's message, or refuses and writes nothing.
 * @param providers names of the providers that can be called
 * @throws AppError the reason for which the database refused
 */
export async function beginExecution(
  db: Db,
  invocation: Invocation,
  idempotencyKey: string | undefined,
  providers: readonly string[],
): Promise<BegunExecution> {
  const { message, parent_id, params, format } = invocation
  const { agent, model, session_id, project_id, prompt, end_user } = invocation
  const asked = format && { responseFormat: toResponseFormat(format.schema) }
  // Before anything is stored: a file that is not what it says refuses the request.
  const files = await readFiles(db, message ? namedFiles(message) : [])
  const parts = message ? toMessageParts(message, files) : null
  const data = parts?.filter(isSent).filter(isInline) ?? []
  const given = parts && data.length > 0 ? { given: parts } : {}
  const begun = await db.call('begin_execution', {
    request: {
      message: message && {
        ...(message.id !== undefined && { id: message.id }),
        content:
          parts?.map((part) => (isSent(part) ? toStoredPart(part) : part)) ?? message.content,
        // What is not stored distinguishes requests all the same.
        ...(data.length > 0 && { digest: await sha256Hex(JSON.stringify(parts)) }),
      },
      title:
        message && titleOf(typeof message.content === 'string' ? message.content : (parts ?? [])),
      agent,
      model,
      session_id,
      project_id,
      prompt,
      end_user,
      parent_id,
      as_root: parent_id === null,
      regenerate: invocation.regenerate,
      on_busy: invocation.on_busy,
      // The format counts in the reservation and in the comparison with a repeated request.
      params: keepFormat({ params, ...(asked && { asked }) }),
      ...(data.length > 0 && {
        input_bytes: requestBytes([{ role: 'user', content: '', parts: data }]),
      }),
    },
    idempotency_key: idempotencyKey,
    providers: [...providers],
  })
  return {
    ...nothingToRun,
    ...(begun as BegunExecution),
    ...(asked && { asked }),
    ...given,
    ...(files.size > 0 && { files }),
  }
}

/** Whether a part is in the request itself, and not a file that was uploaded. */
function isSent(part: AskedPart): part is MessagePart {
  return !('path' in part)
}
