import { randomUUID } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import type { Organization, Person } from '../people/people.ts'

/** A picture of one pixel. */
export const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** A chunk of a PNG; its checksum is not filled in. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  return Buffer.concat([length, Buffer.from(type, 'latin1'), data, Buffer.alloc(4)])
}

/** A picture that says how large it is. */
export function pngOf(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 8
  return Buffer.concat([
    png.subarray(0, 8),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(16))),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

export type Founder = Person & { organization: Organization }

/** A conversation of the person, made with supabase-js. */
export async function openSession(
  { client }: Person,
  visibility: 'private' | 'organization' = 'private',
): Promise<string> {
  const id = randomUUID()
  const { error } = await client.from('chat_sessions').insert({ id, visibility })
  if (error !== null) throw error
  return id
}

export const filesOf = ({ client }: Person) => client.storage.from('attachments')

/** A path that is free. */
export const pathIn = (organization: number, session: string, name = 'cat.png') =>
  `${organization}/${session}/${randomUUID()}/${name}`

/** Uploads a picture into a conversation and returns its path. */
export async function uploadPicture(
  person: Person,
  organization: number,
  session: string,
  bytes: Buffer = png,
): Promise<string> {
  const path = pathIn(organization, session)
  const { error } = await filesOf(person).upload(path, bytes, { contentType: 'image/png' })
  if (error !== null) throw error
  return path
}

/** What Storage said: nothing, or its sentence. */
export const said = ({ error }: { error: { message: string } | null }) => error?.message ?? 'done'
