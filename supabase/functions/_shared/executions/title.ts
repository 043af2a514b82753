import type { MessagePart } from '../models/model-protocol.ts'
import { toStorableText } from '../storable.ts'
import { isAttachment } from './inline-data.ts'

/** A part of a message as it is asked: given with it, or an uploaded file that it names. */
type Part = MessagePart | Readonly<Record<'filename' | 'path', string>>

/** Graphemes of a title, and the code points that they may have together. */
const longest = { graphemes: 80, codePoints: 480 } as const

/**
 * The title of a conversation that begins with this message: its first words, else the names of its
 * files. Ends with a whole grapheme, and not inside a letter with its accents or a family of emoji.
 * Undefined for a message without either.
 */
export function titleOf(content: string | readonly Part[]): string | undefined {
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
  return cut(oneLine(textOf(parts))) || cut(oneLine(filesOf(parts))) || undefined
}

function textOf(parts: readonly Part[]): string {
  const textIn = (part: Part) =>
    'path' in part || part.type !== 'text' || part.not_stored ? '' : part.text
  return parts.map(textIn).join('')
}

function filesOf(parts: readonly Part[]): string {
  const nameOf = (part: Part) => {
    if ('path' in part) return part.filename
    return isAttachment(part) ? (part.filename ?? nameIn(part.url)) : ''
  }
  return parts
    .map(nameOf)
    .filter((name) => name !== '')
    .join(', ')
}

/** What an address calls the file: the last part of its path. */
function nameIn(url: string): string {
  if (!URL.canParse(url) || url.startsWith('data:')) return ''
  const last = new URL(url).pathname.split('/').at(-1) ?? ''
  try {
    return decodeURIComponent(last)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    return last
  }
}

/** The rest of a long text is not read. */
function oneLine(text: string): string {
  const beginning = toStorableText(text.trimStart().slice(0, 2_000))
  return beginning.replace(/[\s\p{Cc}]+/gu, ' ').trim()
}

function cut(text: string): string {
  if (text.length <= longest.graphemes) return text
  let title = ''
  let [graphemes, codePoints] = [0, 0]
  for (const { segment } of new Intl.Segmenter('en').segment(text)) {
    graphemes += 1
    codePoints += Array.from(segment).length
    if (graphemes > longest.graphemes || codePoints > longest.codePoints) break
    title += segment
  }
  return title.trimEnd()
}
