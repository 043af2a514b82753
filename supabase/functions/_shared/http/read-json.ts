import { AppError } from '../errors.ts'

export interface ReadLimit {
  /** Bytes of the body; counted while reading, because `content-length` is only a claim. */
  readonly bytes: number
  /** The path of the error for a longer body: the field that may be long. */
  readonly path: string
  /** Is told of the bytes that came, and may refuse more. */
  readonly take?: (bytes: number) => void
  /** How long the client may take to send the body. Default 20 s. */
  readonly milliseconds?: number
}

const longestMs = 20_000

/**
 * Reads a request's body as JSON.
 * @throws AppError `invalid_request` when it is longer than the limit, not UTF-8 or not JSON;
 *   `request_timeout` when it takes too long to come
 */
export async function readJson(request: Request, limit: ReadLimit): Promise<unknown> {
  const text = await readText(request, limit)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalidBody('The request body is not valid JSON.', cause)
  }
}

async function readText(request: Request, limit: ReadLimit): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let size = 0
  for await (const chunk of chunksOf(request, limit.milliseconds ?? longestMs)) {
    size += chunk.byteLength
    if (size > limit.bytes) {
      throw new AppError('invalid_request', {
        message: `The request body is longer than ${limit.bytes} bytes.`,
        path: limit.path,
      })
    }
    limit.take?.(chunk.byteLength)
    text += decode(decoder, chunk)
  }
  return text + decode(decoder)
}

async function* chunksOf(request: Request, milliseconds: number): AsyncGenerator<Uint8Array> {
  const reader = request.body?.getReader()
  if (!reader) return
  let isLate = false
  let ended = false
  // The platform has no such deadline of its own: a byte a second would hold the worker for hours.
  const timer = setTimeout(() => {
    isLate = true
    reader.cancel().catch(ignoreLoss)
  }, milliseconds)
  try {
    for (;;) {
      const { done, value } = await readChunk(reader)
      if (isLate) throw new AppError('request_timeout')
      ended = done
      if (done) return
      yield value
    }
  } finally {
    clearTimeout(timer)
    if (!ended) await reader.cancel().catch(ignoreLoss)
  }
}

function ignoreLoss(): void {
  // Only the refusal matters; a client that has already gone cannot be told.
}

/** A client that leaves in the middle of its request is no failure of the function. */
async function readChunk(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read()
  } catch (cause) {
    throw invalidBody('The request body ended early.', cause)
  }
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode()
  } catch (cause) {
    throw invalidBody('The request body is not UTF-8.', cause)
  }
}

function invalidBody(message: string, cause: unknown): AppError {
  // The body is the caller's: a parser quotes it in its message, which must not reach the log.
  const name = cause instanceof Error ? cause.name : typeof cause
  return new AppError('invalid_request', { message, path: '', cause: name })
}
