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
      if (!shown.has(path)) shown.set(path, await showFile(db, { path, media_type }, left, mustBe))
      left -= sizeOf(shown.get(path))
    }
  }
  return shown
}

async function showFile(
  db: Db,
  { path, media_type }: StoredFile,
  left: number,
  mustBe: boolean,
): Promise<MessagePart> {
  const note = (why: string): MessagePart => ({ type: 'text', text: `[${media_type}, ${why}]` })
  if (left <= 0 && !mustBe) return note('left out')
  try {
    const read = await readFiles(db, [{ path, mediaType: media_type }], mustBe ? undefined : left)
    return read.get(path)?.shown ?? note('no longer there')
  } catch (error) {
    const { code } = toAppError(error)
    if (mustBe) throw error
    if (code === 'file_too_large') return note('left out')
    if (code === 'file_not_found' || code === 'file_type_mismatch') return note('no longer there')
    throw error
  }
}

function sizeOf(part: MessagePart | undefined): number {
  if (part?.type === 'text') return part.text.length
  return part && 'url' in part ? (part.url.length * 3) / 4 : 0
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
