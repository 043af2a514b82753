import { isRecord } from '../json.ts'
import { toStorableJson, toStorableText } from '../storable.ts'
import { maxResultParts, maxResultText, maxStructuredLength } from './tool-limits.ts'
import type { ToolContent, ToolErrorCode, ToolOutcome, ToolResult } from './tool-server.ts'
import { unknownText } from './tool-texts.ts'

type Fields = Readonly<Record<string, unknown>>

/** A sentence of ours in place of an answer. */
export function textResult(text: string): ToolResult {
  return { text, content: [], truncated: false }
}

/** Outcome of a call that may have been carried out. */
export function unknown(error_code: ToolErrorCode): ToolOutcome {
  return { status: 'unknown', error_code, result: textResult(unknownText) }
}

/** Types and caps what a tool answered (CallToolResult). What a model cannot read is described to it. */
export function readResult({ content, structuredContent }: Fields): ToolResult {
  const given = Array.isArray(content) ? (content as unknown[]) : []
  let left = maxResultText
  let truncated = given.length > maxResultParts
  const cut = (text: string): string => {
    const kept = toStorableText(text.slice(0, left))
    left -= kept.length
    truncated ||= kept.length < text.length
    return kept
  }
  const parts = given.slice(0, maxResultParts).flatMap((part) => readPart(part, cut))
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

/** undefined: there is none; null: too much of it. */
function readStructured(value: unknown): { readonly value: unknown } | null | undefined {
  if (value === undefined) return undefined
  if (JSON.stringify(value).length > maxStructuredLength) return null
  return { value: toStorableJson(value) }
}

function readPart(part: unknown, cut: (text: string) => string): ToolContent[] {
  if (!isRecord(part)) return []
  const { type, text, mimeType, data, resource, uri, name } = part
  if (type === 'text' && typeof text === 'string') return [{ type, text: cut(text) }]
  if ((type === 'image' || type === 'audio') && typeof data === 'string') {
    return [{ type, media_type: short(mimeType) ?? 'application/octet-stream', bytes: size(data) }]
  }
  if (type === 'resource_link' && typeof uri === 'string') {
    return [{ type: 'resource', uri: shorten(uri), ...named({ mimeType, name }) }]
  }
  if (type === 'resource' && isRecord(resource) && typeof resource['uri'] === 'string') {
    const { text: body, blob } = resource
    return [
      {
        type,
        uri: shorten(resource['uri']),
        ...named(resource),
        ...(typeof body === 'string' && { text: cut(body) }),
        ...(typeof blob === 'string' && { bytes: size(blob) }),
      },
    ]
  }
  return []
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
