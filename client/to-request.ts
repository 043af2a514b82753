import type { ChatTransport, UIMessage } from 'ai'
import { ColloquyError } from './error.ts'
import { pathOf } from './files.ts'
import type { MessageIds } from './identifiers.ts'
import type { InvokePart, InvokeRequest } from './invocation.ts'

/** A message of a person, as `invoke` takes it; parts that only a client knows are left out. */
function toContent({ parts }: UIMessage): InvokePart[] {
  return parts.flatMap((part): InvokePart[] => {
    if (part.type === 'text') return [{ type: 'text', text: part.text }]
    if (part.type !== 'file') return []
    const { url, mediaType, filename } = part
    const named = filename === undefined ? {} : { filename }
    const path = pathOf(part)
    if (path !== undefined) return [{ type: 'file', path, mediaType, ...named }]
    if (/^data:[^,]*,$/.test(url)) {
      const name = filename === undefined ? 'A file' : `The file ${filename}`
      throw new ColloquyError('invalid_request', `${name} is empty.`, { path: 'message' })
    }
    return [{ type: 'file', url, mediaType, ...named }]
  })
}

/** A new message at the end of the session's current branch. */
function toMessage(ids: MessageIds, message: UIMessage): InvokeRequest {
  return { message: { id: ids.assign(message.id), content: toContent(message) } }
}

/**
 * A message that replaces an earlier one: a branch from what precedes it. What precedes may not be
 * stored, such as the answer of a failed request, so these are the requests to try, in order.
 */
function toEdits(ids: MessageIds, before: readonly UIMessage[], edited: UIMessage) {
  const id = ids.replace(edited.id)
  const parents = before.flatMap((message) => ids.find(message.id) ?? []).reverse()
  return [...parents, null].map((parent_id): InvokeRequest => ({
    parent_id,
    message: { id, content: toContent(edited) },
  }))
}

/** What `useChat` asks for, and what to send instead when the message that it names is not stored. */
export function requestsOf(
  ids: MessageIds,
  { trigger, messageId, messages }: Parameters<ChatTransport<UIMessage>['sendMessages']>[0],
): InvokeRequest[] {
  const index = messages.findLastIndex(({ role }) => role === 'user')
  const asking = messages[index]
  if (!asking) throw new ColloquyError('invalid_request', 'The chat has no message to answer.')
  if (trigger === 'regenerate-message' || index < messages.length - 1) {
    return [{ regenerate: ids.assign(asking.id) }, toMessage(ids, asking)]
  }
  if (messageId === undefined) return [toMessage(ids, asking)]
  return toEdits(ids, messages.slice(0, index), asking)
}

/** A tool call on which the person has decided. */
export interface Decided {
  readonly toolCallId: string
  readonly decision: 'approve' | 'deny'
}

/** The decisions of an answer that waits for its continuation. */
export function decisionsOf({ role, parts }: UIMessage): Decided[] {
  if (role !== 'assistant') return []
  return parts.flatMap((part): Decided[] => {
    if (!('toolCallId' in part) || part.state !== 'approval-responded') return []
    const { toolCallId, approval } = part
    return [{ toolCallId, decision: approval.approved ? 'approve' : 'deny' }]
  })
}
