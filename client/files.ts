import type { FileUIPart } from 'ai'
import type { Connection } from './connection.ts'
import { ColloquyError } from './error.ts'

/** How long the address of a file in a chat shows it, in seconds. */
const shownSeconds = 3_600

/** A part of a UI message that names an uploaded file. */
export type UploadedPart = FileUIPart & {
  readonly providerMetadata: { readonly colloquy: { readonly path: string } }
}

/**
 * Uploads a file into a session, which is made when it is absent.
 * @throws ColloquyError with Storage's reason, such as `file_type_not_allowed`
 */
export async function uploadFile(
  connection: Connection,
  organizationId: number,
  sessionId: string,
  file: File,
): Promise<UploadedPart> {
  const path = [organizationId, sessionId, crypto.randomUUID(), storedName(file.name)].join('/')
  await connection.request(`storage/v1/object/attachments/${encodeURI(path)}`, {
    content: file,
    headers: { 'content-type': file.type },
  })
  const address = (await signPaths(connection, [path])).get(path)
  if (address === undefined) throw new ColloquyError('file_not_found', 'The file is gone already.')
  return toUploadedPart(path, address, file.type, file.name)
}

export function toUploadedPart(
  path: string,
  url: string,
  mediaType: string,
  filename: string,
): UploadedPart {
  return { type: 'file', url, mediaType, filename, providerMetadata: { colloquy: { path } } }
}

/** The path of a part that names an uploaded file. */
export function pathOf({ providerMetadata }: FileUIPart): string | undefined {
  const path = providerMetadata?.['colloquy']?.['path']
  return typeof path === 'string' ? path : undefined
}

/** Addresses that show files for an hour, by path; a file that is gone has none. */
export async function signPaths(
  connection: Connection,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const signed = await Promise.all([...new Set(paths)].map((path) => signPath(connection, path)))
  return new Map(signed.flatMap((one) => (one ? [one] : [])))
}

async function signPath(
  connection: Connection,
  path: string,
): Promise<readonly [path: string, address: string] | undefined> {
  try {
    const { signedURL } = await connection.json<{ signedURL: string }>(
      `storage/v1/object/sign/attachments/${encodeURI(path)}`,
      { body: { expiresIn: shownSeconds } },
    )
    return [path, connection.addressOf(`storage/v1${encodeURI(signedURL)}`)]
  } catch (error) {
    const { status = 500 } = error instanceof ColloquyError ? error.details : {}
    if (status >= 500) throw error
    return undefined
  }
}

/** A name that Storage and the database take: ASCII letters, digits and a few signs. */
function storedName(name: string): string {
  const [, base = '', extension = ''] = /^(.*?)(\.[A-Za-z0-9]{1,8})?$/s.exec(name) ?? []
  const plain = base
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9 ()+-]+/g, '_')
    .replace(/^[^A-Za-z0-9_]+/, '')
    .slice(0, 80)
  return `${plain === '' ? 'file' : plain}${extension}`
}
