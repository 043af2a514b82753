import { AppError } from './errors.ts'
import { isRecord } from './json.ts'

/** The private bucket of the files of conversations. */
const bucket = 'attachments'

export interface StoredObject {
  readonly bytes: Uint8Array
  /** The type with which it was uploaded, without parameters. */
  readonly mediaType: string
}

export interface Objects {
  /**
   * Reads an object of the bucket.
   * @param most bytes that it may have
   * @throws AppError `file_not_found`, `file_too_large`, `files_unavailable`
   */
  readObject(path: string, most: number): Promise<StoredObject>
  /** Deletes objects of the bucket; absent ones are no failure. @throws AppError `files_unavailable` */
  removeObjects(paths: readonly string[]): Promise<void>
}

export interface ObjectsOptions {
  /** Read with each request, as the keys are: a missing variable fails no start. */
  readonly supabaseUrlOf: () => string
  readonly keysOf: () => { readonly apikey: string; readonly token: string }
  /** Sends a request and returns the answer with its whole body. */
  readonly fetch: typeof fetch
}

/** Storage's API for one bearer, of which this backend needs two calls. */
export function createObjects({ supabaseUrlOf, keysOf, fetch: send }: ObjectsOptions): Objects {
  const request = async (method: string, path: string, body?: unknown) => {
    const { apikey, token } = keysOf()
    const address = `${supabaseUrlOf()}/storage/v1/object/${bucket}${path}`
    const headers = { apikey, authorization: `Bearer ${token}` }
    const json = { 'content-type': 'application/json' }
    try {
      return await send(address, {
        method,
        headers: { ...headers, ...(body !== undefined && json) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    } catch (error) {
      throw new AppError('files_unavailable', { cause: error })
    }
  }
  return {
    async readObject(path, most) {
      const segments = path.split('/')
      // An address resolves them: the request would leave the bucket.
      if (segments.some((segment) => ['', '.', '..'].includes(segment))) {
        throw new AppError('file_not_found')
      }
      const encoded = segments.map(encodeURIComponent).join('/')
      const response = await request('GET', `/${encoded}`)
      if (!response.ok) throw await failure(response)
      const bytes = new Uint8Array(await response.arrayBuffer())
      if (bytes.byteLength > most) throw new AppError('file_too_large')
      const [mediaType = ''] = (response.headers.get('content-type') ?? '').split(';')
      return { bytes, mediaType: mediaType.trim().toLowerCase() }
    },
    async removeObjects(paths) {
      const response = await request('DELETE', '', { prefixes: paths })
      if (!response.ok) {
        throw new AppError('files_unavailable', { cause: `Storage answered ${response.status}` })
      }
    },
  }
}

/** Storage answers 400 to what it does not show, and names itself by `statusCode`. */
async function failure(response: Response): Promise<AppError> {
  const cause = `Storage answered ${response.status}`
  const body: unknown = await response.json().catch(() => {
    // A proxy before Storage may answer with something else: then it is not Storage that refuses.
    return null
  })
  const isStorage = isRecord(body) && 'statusCode' in body
  const isRefused = isStorage && response.status >= 400 && response.status < 500
  return new AppError(isRefused ? 'file_not_found' : 'files_unavailable', { cause })
}
