import { toBase64 } from '../crypto/base64.ts'
import type { Db } from '../database.ts'
import { AppError } from '../errors.ts'
import type { FilePart, MessagePart } from '../models/model-protocol.ts'
import { isContentOf, textOf } from './file-content.ts'

/** A file that a message names: an object of the bucket `attachments`. */
export interface NamedFile {
  readonly path: string
  /** What the object must be; without it, what its upload declared. */
  readonly mediaType?: string | undefined
  readonly filename?: string | undefined
}

/** A file as its message stores it, and as a model gets it. */
export interface ReadFile {
  readonly stored: Readonly<Record<'type' | 'path' | 'media_type' | 'filename', string>>
  readonly shown: MessagePart
}

/** By path. */
export type ReadFiles = ReadonlyMap<string, ReadFile>

/** Bytes of one file, as the bucket has it, and of all files that a model gets with one request. */
export const maxFileBytes = 8 * 1024 * 1024

/**
 * Reads files as the caller, whom Storage's policies must show them, and compares each one's content with
 * its type.
 * @throws AppError `file_not_found`, `file_too_large`, `file_type_mismatch`, `files_unavailable`
 */
export async function readFiles(
  db: Db,
  files: readonly NamedFile[],
  most = maxFileBytes,
): Promise<ReadFiles> {
  const read = new Map<string, ReadFile>()
  let left = most
  // One after the other: together they may be larger than a worker's memory allows.
  for (const file of files) {
    if (read.has(file.path)) continue
    const { bytes, mediaType } = await db.readObject(file.path, left)
    const isAsTold = (file.mediaType?.toLowerCase() ?? mediaType) === mediaType
    if (!isAsTold || !isContentOf(mediaType, bytes)) {
      throw new AppError('file_type_mismatch')
    }
    left -= bytes.byteLength
    read.set(file.path, toReadFile(file, mediaType, bytes))
  }
  return read
}

function toReadFile({ path, filename }: NamedFile, mediaType: string, bytes: Uint8Array): ReadFile {
  const name = filename ?? path.split('/').at(-1) ?? ''
  const type = mediaType.startsWith('image/') ? 'image' : 'file'
  const stored = { type, path, media_type: mediaType, filename: name } as const
  // A text goes as one: few providers read files of text.
  const text = /^text\/|json$/.test(mediaType) ? textOf(bytes) : null
  if (text !== null) {
    return { stored, shown: { type: 'text', text: `[File ${JSON.stringify(name)}:]\n${text}` } }
  }
  const url = `data:${mediaType};base64,${toBase64(bytes)}`
  return { stored, shown: { type, url, media_type: mediaType, filename: name } satisfies FilePart }
}
