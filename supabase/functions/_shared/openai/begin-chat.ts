import { sha256Hex } from '../crypto/secret.ts'
import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import type { BegunExecution } from '../executions/execution.ts'
import { toStoredPart } from '../executions/inline-data.ts'
import { maxContentBytes } from '../executions/invocation.ts'
import { requestBytes } from '../executions/request-bytes.ts'
import type { MessagePart, ModelMessage } from '../models/model-protocol.ts'
import type { ChatRequest } from './chat-request.ts'
import { resolveModel, type Target } from './model-list.ts'
import { asUnknown } from './previous-response.ts'

const encoder = new TextEncoder()

/**
 * Begins the execution of a chat completion, in a closed session that no list shows. It stores the
 * last message of the user or of a tool, and beside it all messages of a request whose response others
 * can follow; the model gets all messages.
 * @throws AppError the reason for which the request is refused; nothing is written then
 */
export async function beginChat(
  db: Db,
  request: ChatRequest,
  idempotencyKey: string | undefined,
  providers: readonly string[],
): Promise<BegunExecution> {
  const { asked, messages, params, kept, endUser, refers } = request
  const stored = kept?.messages ?? asked.messages
  const asking = askingIndex(stored)
  const content = storedContent(asking, stored, kept ? 'input' : 'messages')
  const all = JSON.stringify([messages, asked.tools, asked.responseFormat, params, request.model])
  // Of the messages only one is stored, so their digest is what tells a repeat from another request.
  const digest = idempotencyKey === undefined ? {} : { digest: await sha256Hex(all) }
  const previous = kept?.previous
  const begin = async (target: Target) => {
    const begun = await db.call('begin_execution', {
      request: {
        message: { content, ...digest, ...(kept && { input: toInput(asking, stored) }) },
        ...target,
        ...(previous && { previous: previous.executionId }),
        ...(endUser !== undefined && { end_user: endUser }),
        ...(refers && { refers }),
        params,
        transient: true,
        input_bytes: sentBytes(request),
      },
      idempotency_key: idempotencyKey,
      providers: [...providers],
    })
    const nothingToRun = { route: [], system_prompts: [], history: [], params: {} }
    return { ...nothingToRun, ...(begun as BegunExecution), asked }
  }
  try {
    return await inOrder(db, request.model, begin)
  } catch (error) {
    // Deleted since it was read.
    throw previous ? asUnknown(error, previous.id) : error
  }
}

/** `agent/model` needs no look at the list first; anything else does, and so does a miss. */
export async function inOrder<Result>(
  db: Db,
  id: string,
  begin: (target: Target) => Promise<Result>,
): Promise<Result> {
  const [, agent, model] = /^([a-z0-9][a-z0-9_-]{0,62})\/(.+)$/s.exec(id) ?? []
  if (agent !== undefined && model !== undefined) {
    try {
      return await begin({ agent, model })
    } catch (error) {
      const code = error instanceof AppError ? error.code : null
      if (code !== 'agent_not_found' && code !== 'model_not_found') throw error
    }
  }
  return begin(await resolveModel(db, id))
}

/** Bytes that the model gets, references resolved. */
function sentBytes({ asked, params, model }: ChatRequest): number {
  return requestBytes(asked.messages, asked.tools, asked.responseFormat, params, model)
}

/** The message that asks: the last one of the user or of a tool, else the last. */
function askingIndex(messages: readonly ModelMessage[]): number {
  const asking = messages.findLastIndex(({ role }) => role === 'user' || role === 'tool')
  return asking === -1 ? messages.length - 1 : asking
}

/** All messages; the one that asks is stored beside them and has only its role here. */
function toInput(asking: number, messages: readonly ModelMessage[]): object[] {
  if (messages.length === 0) return [{ role: 'user' }]
  return messages.map(({ role, content, parts }, index) => {
    if (index === asking) return { role }
    return { role, content, ...(parts && { parts: parts.map(toStoredPart) }) }
  })
}

/** What is stored of the message that asks: its text or its parts. */
function storedContent(
  index: number,
  messages: readonly ModelMessage[],
  list: 'messages' | 'input',
): string | MessagePart[] {
  const { content = '', parts } = messages[index] ?? {}
  // Without a text there is nothing to store as one: an empty result of a tool, for instance.
  const stored =
    parts && parts.length > 0
      ? parts.map(toStoredPart)
      : content || [{ type: 'text' as const, text: '' }]
  const text = typeof stored === 'string' ? stored : JSON.stringify(stored)
  if (encoder.encode(text).byteLength <= maxContentBytes) return stored
  const path = `${list}.${index}.content`
  const message = `${path}: is longer than ${maxContentBytes} bytes`
  throw new AppError('invalid_request', { path, message })
}
