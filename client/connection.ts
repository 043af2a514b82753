import { readError } from './error.ts'

/** Where the backend is and who calls it. */
export interface ConnectionOptions {
  /** The project's address, as supabase-js takes it. */
  readonly url: string
  /** The publishable key, as supabase-js takes it. */
  readonly publishableKey: string
  /** The signed-in person's access token, read before each request: it changes every hour. */
  readonly accessToken: () => Promise<string | null | undefined>
  /** Another `fetch`, such as that of `expo/fetch`, which streams under React Native. */
  readonly fetch?: typeof fetch
}

export interface RequestOptions {
  readonly method?: string
  readonly body?: unknown
  /** Sent as it is, instead of a body. */
  readonly content?: Blob
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Sends requests to a project as the signed-in person. */
export class Connection {
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  static of(options: ConnectionOptions | Connection): Connection {
    return options instanceof Connection ? options : new Connection(options)
  }

  /** The whole address of a path. */
  addressOf(path: string): string {
    return `${this.#options.url.replace(/\/+$/, '')}/${path}`
  }

  /**
   * Sends one request.
   * @param path after the project's address: `functions/v1/…`, `rest/v1/…` or `storage/v1/…`
   * @throws ColloquyError for an answer that is none of success, TypeError without an answer
   */
  async request(path: string, options: RequestOptions = {}): Promise<Response> {
    const { publishableKey, accessToken, fetch: send = fetch } = this.#options
    const { method, body, content, headers, signal } = options
    const token = await accessToken()
    const response = await send(this.addressOf(path), {
      method: method ?? (body === undefined && content === undefined ? 'GET' : 'POST'),
      headers: {
        apikey: publishableKey,
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(content && { body: content }),
      ...(signal && { signal }),
    })
    if (!response.ok) throw await readError(response)
    return response
  }

  /** Sends one request whose answer is JSON. */
  async json<Answer>(path: string, options?: RequestOptions): Promise<Answer> {
    return (await (await this.request(path, options)).json()) as Answer
  }

  /** The rows that a read through REST gives, page after page. */
  async rows<Row>(path: string, schema = 'public'): Promise<Row[]> {
    const rows: Row[] = []
    for (;;) {
      const next = await this.json<Row[]>(`rest/v1/${path}&limit=${page}&offset=${rows.length}`, {
        headers: { 'accept-profile': schema },
      })
      rows.push(...next)
      if (next.length < page) return rows
    }
  }
}

/** Rows of one request; the platform gives at most as many. */
const page = 1_000
