import type { Db } from '../database.ts'
import { toAppError } from '../errors.ts'
import { isRecord } from '../json.ts'
import type { MessagePart } from '../models/model-protocol.ts'
import { maxFileBytes, readFiles, type ReadFiles } from './read-files.ts'

/** A message of the conversation, as far as its files go. */
interface Message {
  readonly id: string
  readonly parts: readonly unknown[] | null
}

/** The files of a conversation by path, as a model gets them. */
export type ShownFiles = ReadonlyMap<string, MessagePart>

/**
 * Reads the files of a conversation for its next answer, the newest first, until they are as large as one
 * message's may be. An older one, and one that is gone, becomes a note.
 * @param known files that were read before
 * @param asking id of the message that is answered: all of its files must be there
 * @throws AppError the reason why a file of that message cannot be read
 */
export async function readHistoryFiles(
  db: Db,
  history: readonly Message[],
  known: ReadFiles,
  asking: string,
): Promise<ShownFiles> {
  const shown = new Map<string, MessagePart>([...known].map(([path, file]) => [path, file.shown]))
  let left = maxFileBytes
  for (const message of [...history].reverse()) {
    for (const { path, media_type } of (message.parts ?? []).filter(isStoredFile)) {
      const mustBe = message.id === asking
      const part = shown.get(path) ?? (await showFile(db, { path, media_type }, left, mustBe))
      // The first file that does not fit ends the reading: each one is downloaded before it is measured.
      left = part === null ? 0 : left - sizeOf(part)
      shown.set(path, part ?? note(media_type, 'left out'))
    }
  }
  return shown
}

const note = (type: string, why: string): MessagePart => ({
  type: 'text',
  text: `[${type}, ${why}]`,
})

/** @returns null for a file that does not fit */
async function showFile(
  db: Db,
  { path, media_type }: StoredFile,
  left: number,
  mustBe: boolean,
): Promise<MessagePart | null> {
  if (left <= 0 && !mustBe) return null
  try {
    const read = await readFiles(db, [{ path, mediaType: media_type }], mustBe ? undefined : left)
    return read.get(path)?.shown ?? note(media_type, 'no longer there')
  } catch (error) {
    const { code } = toAppError(error)
    if (mustBe) throw error
    if (code === 'file_too_large') return null
    if (code === 'file_not_found' || code === 'file_type_mismatch') {
      return note(media_type, 'no longer there')
    }
    throw error
  }
}

function sizeOf(part: MessagePart): number {
  if (part.type === 'text') return part.text.length
  return 'url' in part ? (part.url.length * 3) / 4 : 0
}

interface StoredFile {
  readonly path: string
  readonly media_type: string
}

/** Whether a stored part names a file by its path. */
export function isStoredFile(part: unknown): part is StoredFile {
  return (
    isRecord(part) && typeof part['path'] === 'string' && typeof part['media_type'] === 'string'
  )
}
