/** What a failed call of a function says: a sentence for a person, and a code for a program. */
export class ColloquyError extends Error {
  override readonly name = 'ColloquyError'

  constructor(
    /** One of docs/error-codes.md, or `unknown` when the answer was not the backend's. */
    readonly code: string,
    message: string,
    readonly details: {
      /** Of the HTTP answer; absent when a stream reported the failure. */
      readonly status?: number
      /** The field of the request that is wrong. */
      readonly path?: string
      /** Seconds after which the request can succeed. */
      readonly retryAfter?: number
    } = {},
  ) {
    super(message)
  }
}

/**
 * What an answer says of its failure: the functions in an envelope, REST, Auth and Storage without one.
 */
interface Told {
  readonly code?: unknown
  readonly message?: unknown
  readonly path?: unknown
  readonly details?: unknown
  /** Storage's status. */
  readonly statusCode?: unknown
}

/** The error of an answer that is none of success. */
export async function readError(response: Response): Promise<ColloquyError> {
  const { status, headers } = response
  const told = readTold(await response.text())
  const seconds = Number(headers.get('retry-after') ?? NaN)
  const details = {
    status,
    ...(typeof told?.path === 'string' && { path: told.path }),
    ...(seconds >= 0 && { retryAfter: seconds }),
  }
  // Storage gives our code as the message.
  if (typeof told?.statusCode === 'string' && /^[a-z]+(?:_[a-z]+)+$/.test(String(told.message))) {
    const code = String(told.message)
    return new ColloquyError(
      code,
      `Storage refused the file: ${code.replaceAll('_', ' ')}.`,
      details,
    )
  }
  if (typeof told?.code !== 'string' || typeof told.message !== 'string') {
    return new ColloquyError('unknown', `The server answered with status ${status}.`, details)
  }
  // REST gives an SQLSTATE as the code, our code as the message, and our sentence as the details.
  const isOurs = typeof told.details === 'string' && /^[a-z][a-z0-9_]*$/.test(told.message)
  return isOurs
    ? new ColloquyError(told.message, told.details, details)
    : new ColloquyError(told.code, told.message, details)
}

function readTold(text: string): Told | undefined {
  try {
    const value = JSON.parse(text) as (Told & { readonly error?: Told | string }) | null
    return (typeof value?.error === 'object' ? value.error : value) ?? undefined
  } catch {
    // A proxy's page, for instance: its status is all that is known.
    return undefined
  }
}

/** The error that a stream ends with: its text is the code, a colon and a sentence. */
export function streamError(errorText: string): ColloquyError {
  const [, code, message] = /^([a-z][a-z0-9_]*): (.+)$/s.exec(errorText) ?? []
  return new ColloquyError(code ?? 'unknown', message ?? errorText)
}

/** How web APIs name an error that a person caused by stopping; not every runtime has DOMException. */
export function abortError(): Error {
  return Object.assign(new Error('The request was stopped.'), { name: 'AbortError' })
}
