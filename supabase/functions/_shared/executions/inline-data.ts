import { storableText } from '../http/validate.ts'
import type { FilePart, MessagePart } from '../models/model-protocol.ts'

const https = /^https:\/\/[^\s/?#@]+(?:[/?#]\S*)?$/
const data = /^data:([\w.+-]+\/[\w.+-]+);base64,[A-Za-z0-9+/]+={0,2}$/

/** Bytes of a request's body with pictures and files in it. */
export const inlineLimit = 8 * 1024 * 1024

/**
 * Where a picture or a file is: at an https address, or in the request itself. What is in the request
 * goes to the provider and is not stored.
 */
export const address = storableText(inlineLimit).refine(
  (url) => (url.startsWith('data:') ? data.test(url) : url.length <= 2_048 && https.test(url)),
  { message: 'is neither an https URL nor data in base64' },
)

/** The media type that data says it has; null for an address. */
export function inlineType(url: string): string | null {
  return url.startsWith('data:') ? (/^data:([^;,]+)/.exec(url)?.[1] ?? null) : null
}

/** The media type of a picture: what its data says, else what its address ends with. */
export function imageType(url: string): string {
  // Gemini wants to be told; OpenAI's protocol has no field for it. JPEG is what most others are.
  const extension = /\.(png|webp|gif|heic|heif)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase()
  return inlineType(url) ?? `image/${extension ?? 'jpeg'}`
}

/**
 * A picture or a file. Its data decides which it is, and its media type: a provider believes the data,
 * so a reservation must not believe the client.
 * @param told the media type that the client says an address has
 */
export function toFilePart(
  url: string,
  told: string,
  rest: { filename?: string | undefined; detail?: 'low' | 'high' } = {},
): FilePart {
  const media_type = (inlineType(url) ?? told).toLowerCase()
  const { filename, detail } = rest
  const named = filename ? { filename } : {}
  if (!isPicture(media_type)) return { type: 'file', url, media_type, ...named }
  return { type: 'image', url, media_type, ...named, ...(detail && { detail }) }
}

/** Whether a model sees it as an image. SVG is text, and costs what a text of its length costs. */
export function isPicture(mediaType: string): boolean {
  return /^image\/(?!svg)/i.test(mediaType)
}

export function isAttachment(part: MessagePart): part is FilePart {
  return part.type === 'image' || part.type === 'file'
}

/** Whether the content of a part is in the request, as base64, and not at an address. */
export function isInline(part: MessagePart): part is FilePart {
  return isAttachment(part) && part.url.startsWith('data:')
}

/**
 * What a picture or a file in the request stands for among what is stored. begin_execution() refuses to
 * regenerate a message with the mark: the model would answer without the file.
 */
export function toStoredPart(part: MessagePart): MessagePart {
  if (!isInline(part)) return part
  return { type: 'text', text: `[${part.media_type}, not stored]`, not_stored: true }
}
