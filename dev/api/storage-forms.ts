import { isRecord } from '../../supabase/functions/_shared/json.ts'

/** A request as lite reads it, and what its answer is about. */
export interface StorageForm {
  readonly request: Request
  /** The folder that is listed. */
  readonly prefix?: string
}

/**
 * Where lite differs from Storage: it believes the length and the whole type that an upload says, takes a file
 * of a form only from a field `file`, and lists all objects below a folder. A path in another spelling of Unicode or with an escaped slash is no key of
 * Storage.
 */
export async function toStorageRequest(request: Request): Promise<StorageForm | Response> {
  const { method } = request
  const { pathname } = new URL(request.url)
  if (/%2f|%5c|%00|%25/i.test(pathname)) return refuse('InvalidKey', 'Invalid key')
  if (method === 'GET' || method === 'HEAD') return { request }
  const headers = new Headers(request.headers)
  const isUpload =
    method === 'PUT' || /\/object\/(?!list\/|sign\/|upload\/|move$|copy$)/.test(pathname)
  const whole = await request.arrayBuffer()
  const body = isUpload ? await takeFile(whole, headers) : whole
  headers.set('content-length', String(body.byteLength))
  const type = headers.get('content-type') ?? ''
  if (isUpload && !/^(?:multipart|application\/json$)/i.test(type)) {
    headers.set('content-type', type.split(';')[0]?.trim() ?? '')
  }
  const form = new Request(request.url, { method, headers, body: body.byteLength ? body : null })
  if (!pathname.includes('/object/list/')) return { request: form }
  const asked = readJson(new TextDecoder().decode(body) || '{}')
  if (asked === undefined) return refuse('InvalidRequest', 'The body is no JSON')
  const prefix = isRecord(asked) && typeof asked['prefix'] === 'string' ? asked['prefix'] : ''
  return { request: form, prefix }
}

/**
 * The bytes of an upload. supabase-js sends a Blob as a form, whose file has no name; its type and what the other
 * fields say become headers.
 */
async function takeFile(body: ArrayBuffer, headers: Headers): Promise<ArrayBuffer> {
  const type = headers.get('content-type') ?? ''
  if (!/^multipart\/form-data\b/i.test(type)) return body
  const form = await new Response(body, { headers: { 'content-type': type } })
    .formData()
    .catch(() => {
      // What is no form stays as it is: lite refuses it.
      return null
    })
  const file = [...(form?.values() ?? [])].find((value) => value instanceof File)
  if (form === null || file === undefined) return body
  headers.set('content-type', file.type || 'application/octet-stream')
  const { cacheControl, metadata } = Object.fromEntries(form)
  if (typeof cacheControl === 'string') headers.set('cache-control', `max-age=${cacheControl}`)
  if (typeof metadata === 'string') {
    headers.set('x-metadata', Buffer.from(metadata).toString('base64'))
  }
  return file.arrayBuffer()
}

/** Undefined for text that is no JSON. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined // The caller refuses it.
  }
}

function refuse(error: string, message: string): Response {
  return Response.json({ statusCode: '400', error, message }, { status: 400 })
}

/** lite's answer in the form that Storage gives it. */
export async function toStorageAnswer(
  response: Response,
  { prefix }: StorageForm,
): Promise<Response> {
  if (!response.headers.get('content-type')?.startsWith('application/json')) return response
  const answer: unknown = await response.clone().json()
  if (prefix !== undefined && Array.isArray(answer)) return Response.json(entriesOf(answer, prefix))
  if (Array.isArray(answer)) return Response.json(answer.map(withSignedUrl))
  const signed = withSignedUrl(answer)
  return signed === answer ? response : Response.json(signed, { status: response.status })
}

/** Storage names an address without its own path, as `signedURL`, or as `url` for an upload. */
function withSignedUrl(answer: unknown): unknown {
  if (!isRecord(answer) || typeof answer['signedUrl'] !== 'string') return answer
  const path = answer['signedUrl'].replace(/^\/storage\/v1/, '')
  const { signedUrl: _, ...rest } = answer
  return path.startsWith('/object/upload/') ? { ...rest, url: path } : { ...rest, signedURL: path }
}

/** The files and folders directly in a folder. */
function entriesOf(rows: readonly unknown[], prefix: string): unknown[] {
  const folder = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  const entries = new Map<string, unknown>()
  for (const row of rows) {
    if (!isRecord(row) || typeof row['name'] !== 'string' || !row['name'].startsWith(folder))
      continue
    const [name = '', ...below] = row['name'].slice(folder.length).split('/')
    const none = {
      id: null,
      updated_at: null,
      created_at: null,
      last_accessed_at: null,
      metadata: null,
    }
    entries.set(name, below.length > 0 ? { name, ...none } : { ...row, name })
  }
  return [...entries.values()]
}
