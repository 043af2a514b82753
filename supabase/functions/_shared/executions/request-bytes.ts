import type { FilePart, MessagePart, ModelMessage } from '../models/model-protocol.ts'

/** The reservation for an image or a file in bytes, as in prepare_execution(). */
const bytesOfAttachment = 4_096
const encoder = new TextEncoder()

/**
 * The bytes for which a request reserves one token each: its messages and all else that is sent, as
 * JSON, and a bound for each image and file (docs/decisions/0020).
 */
export function requestBytes(messages: readonly ModelMessage[], ...others: unknown[]): number {
  const text = JSON.stringify([...others, messages.map(withoutData)])
  const attachments = messages.flatMap(({ parts }) => parts ?? []).filter(isAttachment)
  return attachments.reduce(
    (sum, part) => sum + attachmentBytes(part),
    encoder.encode(text).byteLength,
  )
}

/** Whether the content of a part is in the request, as base64, and not at an address. */
export function isInline(part: MessagePart): part is FilePart {
  return isAttachment(part) && part.url.startsWith('data:')
}

function isAttachment(part: MessagePart): part is FilePart {
  return part.type === 'image' || part.type === 'file'
}

/** A picture costs as much at any size; a model reads the whole of a file that is in the request. */
function attachmentBytes(part: FilePart): number {
  if (part.type === 'image' || !isInline(part)) return bytesOfAttachment
  return Math.max(bytesOfAttachment, Math.ceil((part.url.length * 3) / 4))
}

/** A model reads a message's parts instead of its content, and no base64 as text. */
function withoutData(message: ModelMessage): ModelMessage {
  const { role, parts } = message
  if (!parts || parts.length === 0) return message
  const sent = parts.map((part) => (isInline(part) ? { ...part, url: '' } : part))
  return { role, content: '', parts: sent }
}
