import type { FilePart, MessagePart, ModelMessage } from '../models/model-protocol.ts'
import { withoutFiles } from '../tools/tool-messages.ts'
import { inlineType, isAttachment, isInline, isPicture } from './inline-data.ts'

/** The reservation for an image or a file in bytes, as in private.execution_input(). */
const bytesOfAttachment = 16_384
const encoder = new TextEncoder()

/**
 * The bytes for which a request reserves one token each: its messages and all else that is sent, as
 * JSON, and a bound for each image and file (docs/decisions/0020).
 */
export function requestBytes(messages: readonly ModelMessage[], ...others: unknown[]): number {
  const text = JSON.stringify([...others, messages.map(withoutData)])
  const attachments = messages.flatMap(({ parts }) => parts ?? []).flatMap(attachmentsOf)
  return attachments.reduce(
    (sum, part) => sum + attachmentBytes(part),
    encoder.encode(text).byteLength,
  )
}

function attachmentsOf(part: MessagePart): readonly FilePart[] {
  if (part.type === 'tool_result') return part.files ?? []
  return isAttachment(part) ? [part] : []
}

/** A picture costs as much at any size; a model reads the whole of a file that is in the request. */
function attachmentBytes({ url }: FilePart): number {
  const type = inlineType(url)
  if (type === null || isPicture(type)) return bytesOfAttachment
  return Math.max(bytesOfAttachment, Math.ceil((url.length * 3) / 4))
}

/** A model reads a message's parts instead of its content, and no base64 as text. */
function withoutData(message: ModelMessage): ModelMessage {
  const { role, parts } = message
  if (!parts || parts.length === 0) return message
  const sent = withoutFiles(parts).map((part) => (isInline(part) ? { ...part, url: '' } : part))
  return { role, content: '', parts: sent }
}
