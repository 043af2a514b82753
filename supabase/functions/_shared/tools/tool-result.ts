import { isRecord } from '../json.ts'
import { toStorableJson, toStorableText } from '../storable.ts'
import { isDeeper } from './read-definition.ts'
import { readMedia } from './read-media.ts'
import {
  maxDefinitionDepth,
  maxResultMedia,
  maxResultParts,
  maxResultText,
  maxStructuredLength,
} from './tool-limits.ts'
import type { ToolContent, ToolErrorCode, ToolOutcome, ToolResult } from './tool-server.ts'
import { unknownText } from './tool-texts.ts'

type Fields = Readonly<Record<string, unknown>>

/** A sentence of ours in place of an answer. */
export function textResult(text: string): ToolResult {
  return { text, content: [], truncated: false }
}

/** Outcome of a call that may have been carried out, and what the server said of it. */
export function unknown(error_code: ToolErrorCode, said?: string): ToolOutcome {
  const text = said === undefined ? unknownText : `${unknownText}\n${said}`
  return { status: 'unknown', error_code, result: textResult(text) }
}

/**
 * Types and caps what a tool answered (CallToolResult), piece by piece: what cannot be read is said in
 * its place, and costs nothing of what stands beside it.
 */
export function readResult(answer: unknown): ToolResult {
  const { content, structuredContent, toolResult }: Fields = isRecord(answer)
    ? answer
    : { content: answer }
  // 2024-10-07 had `toolResult` alone.
  const given = toPieces(content ?? toolResult)
  let left = maxResultText
  let truncated = given.length > maxResultParts
  const cut = (text: string): string => {
    const kept = toStorableText(text.slice(0, left))
    left -= kept.length
    truncated ||= kept.length < text.length
    return kept
  }
  let media = maxResultMedia
  const take = (base64: string): { data?: string } => {
    const data = base64.length > media ? null : readBase64(base64)
    if (data === null) return {}
    media -= data.length
    return { data }
  }
  const parts = given.slice(0, maxResultParts).map((part) => readPart(part, cut, take))
  const structured = readStructured(structuredContent)
  truncated ||= structured === null
  const spoken = parts.map(describe).join('\n')
  // The specification asks servers to give the same as text; some give it here alone.
  const text = spoken === '' && structured ? cut(JSON.stringify(structured.value)) : spoken
  return {
    text: truncated ? `${text}\n[The answer was longer and has been cut.]` : text,
    content: parts,
    ...(structured && { structured_content: structured.value }),
    truncated,
  }
}

/** A list, or one piece where a list was to be. */
function toPieces(content: unknown): readonly unknown[] {
  if (content === undefined || content === null) return []
  return Array.isArray(content) ? (content as unknown[]) : [content]
}

/** undefined: there is none; null: too much of it. */
function readStructured(value: unknown): { readonly value: unknown } | null | undefined {
  if (value === undefined || value === null) return undefined
  if (isDeeper(value, maxDefinitionDepth)) return null
  if (JSON.stringify(value).length > maxStructuredLength) return null
  return { value: toStorableJson(value) }
}

/** A text in base64 without blanks; null: it is none. */
function readBase64(text: string): string | null {
  const data = text.replace(/\s+/g, '')
  return data !== '' && data.length % 4 !== 1 && /^[A-Za-z0-9+/]+={0,2}$/.test(data) ? data : null
}

function readPart(
  part: unknown,
  cut: (text: string) => string,
  take: (base64: string) => { data?: string },
): ToolContent {
  if (typeof part === 'string') return { type: 'text', text: cut(part) }
  if (!isRecord(part)) return unread(part === null ? 'null' : typeof part)
  const { type, text, mimeType, data, resource, uri, name } = part
  if ((type === 'text' || type === undefined || type === null) && isScalar(text)) {
    return { type: 'text', text: cut(String(text)) }
  }
  // Some put what they have there without writing it as a text.
  if (type === 'text' && isBounded(text)) return { type: 'text', text: cut(JSON.stringify(text)) }
  if ((type === 'image' || type === 'audio') && typeof data === 'string') {
    const { media_type = 'application/octet-stream', data: base64 } = readMedia(mimeType, data)
    return { type, media_type: toStorableText(media_type), bytes: size(base64), ...take(base64) }
  }
  if (type === 'resource_link' && typeof uri === 'string') {
    return { type: 'resource', uri: shorten(uri), ...named({ mimeType, name }) }
  }
  if (type === 'resource' && isRecord(resource)) {
    const { text: body, blob, uri: address } = resource
    const media = typeof blob === 'string' ? readMedia(resource['mimeType'], blob) : null
    return {
      type,
      uri: typeof address === 'string' ? shorten(address) : '',
      ...named({ ...resource, ...(media && { mimeType: media.media_type }) }),
      ...(isScalar(body) && { text: cut(String(body)) }),
      ...(media && { bytes: size(media.data), ...take(media.data) }),
    }
  }
  return unread(typeof type === 'string' ? type : 'none')
}

/** A piece that the model only gets described. */
function unread(kind: string): ToolContent {
  const label = kind.replace(/[^\w./-]/g, '').slice(0, 64)
  return { type: 'text', text: `[content of type ${label || 'none'}, which cannot be shown]` }
}

/** An object or a list that can be written as a text. */
function isBounded(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !isDeeper(value, maxDefinitionDepth)
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function named({ mimeType, name }: Fields) {
  const media_type = short(mimeType)
  const label = short(name)
  return {
    ...(media_type !== undefined && { media_type }),
    ...(label !== undefined && { name: label }),
  }
}

function describe(part: ToolContent): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'resource':
      return part.text ?? `[resource ${part.uri}${part.name === undefined ? '' : `, ${part.name}`}]`
    default:
      return `[${part.type}, ${part.media_type}, ${part.bytes} bytes]`
  }
}

const shorten = (text: string) => toStorableText(text.slice(0, 2_048))
const short = (text: unknown) =>
  typeof text === 'string' ? toStorableText(text.slice(0, 255)) : undefined
/** Bytes that a text in base64 stands for, which ends with two `=` at most. */
const size = (base64: string) => Math.floor((base64.replace(/={1,2}$/, '').length * 3) / 4)
