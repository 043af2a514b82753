import { createHash } from 'node:crypto'
import { constants, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from '@supabase/lite'

type Adapter = NonNullable<App['_storageAdapter']>
type Metadata = Awaited<ReturnType<Adapter['headObject']>>

interface Kept {
  readonly mimetype: string
  readonly cacheControl: string
}

/** Where a stack keeps the bytes of its objects. */
export const objectsFolder = (directory: string) => join(directory, 'objects')

/** Storage's objects as files of a directory. The name of a file is a hash: a key reaches no other path. */
export class ObjectFiles implements Adapter {
  readonly driver = null
  readonly #directory: string
  readonly #onWritten: (path: string) => void

  /** @param onWritten told of each file as soon as it is there */
  constructor(directory: string, onWritten: (path: string) => void) {
    this.#directory = directory
    this.#onWritten = onWritten
  }

  async uploadObject(
    bucket: string,
    key: string,
    _version: string | undefined,
    body: unknown,
    mimetype: string,
    cacheControl: string,
  ): Promise<Metadata> {
    const path = this.#pathOf(bucket, key)
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    // Never over another: the platform keeps each version of an object, and its row names one.
    const bytes = Buffer.from(await new Response(body as BodyInit).arrayBuffer())
    await writeFile(path, bytes, { flag: 'wx', mode: 0o600 })
    this.#onWritten(path)
    await writeFile(`${path}.json`, JSON.stringify({ mimetype, cacheControl } satisfies Kept))
    return this.#metadataOf(path)
  }

  async getObject(bucket: string, key: string) {
    const path = this.#pathOf(bucket, key)
    return {
      metadata: await this.#metadataOf(path),
      httpStatusCode: 200,
      body: await readFile(path),
    }
  }

  headObject(bucket: string, key: string): Promise<Metadata> {
    return this.#metadataOf(this.#pathOf(bucket, key))
  }

  async deleteObject(bucket: string, key: string): Promise<void> {
    await removeObjectFile(this.#pathOf(bucket, key))
  }

  async deleteObjects(bucket: string, keys: string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.deleteObject(bucket, key)))
  }

  async copyObject(
    bucket: string,
    key: string,
    _version: string | undefined,
    toBucket: string,
    toKey: string,
  ) {
    const [from, to] = [this.#pathOf(bucket, key), this.#pathOf(toBucket, toKey)]
    await copyFile(from, to, constants.COPYFILE_EXCL)
    this.#onWritten(to)
    await copyFile(`${from}.json`, `${to}.json`)
    const { eTag, lastModified } = await this.#metadataOf(to)
    return { httpStatusCode: 200, eTag, ...(lastModified && { lastModified }) }
  }

  privateAssetUrl(): Promise<string> {
    return Promise.reject(new Error('the local Storage transforms no pictures'))
  }

  #pathOf(bucket: string, key: string): string {
    return join(this.#directory, createHash('sha256').update(`${bucket}/${key}`).digest('hex'))
  }

  async #metadataOf(path: string): Promise<Metadata> {
    const { size, mtime } = await stat(path)
    const kept = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Kept
    const eTag = `"${size.toString(16)}-${mtime.getTime().toString(16)}"`
    return { ...kept, size, contentLength: size, lastModified: mtime, eTag }
  }
}

export async function removeObjectFile(path: string): Promise<void> {
  await Promise.all([path, `${path}.json`].map((each) => rm(each, { force: true })))
}
