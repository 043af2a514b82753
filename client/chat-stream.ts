import type { UIMessageChunk } from 'ai'
import { abortError, ColloquyError, streamError } from './error.ts'
import { readEvents } from './events.ts'
import type { Agents } from './functions.ts'
import type { Turn } from './turn.ts'

export interface ChatStreamOptions {
  readonly agents: Agents
  readonly executionId: string
  readonly turn: Turn
  /** Called when the turn is stopped. */
  readonly onAbort: () => void
  /** Called when the answer was read to its end, or ended with an error. */
  readonly onEnd: () => void
  /**
   * Takes the id of the message that the chunks make. The chunks then go on in the message that the
   * chat has, and leave the id out.
   */
  readonly onMessageId?: (id: string) => void
  /** The error with which the stream ends once the answer is shown. */
  readonly refused?: ColloquyError
}

/** Every stream begins with these events: the start of its message, and of its first step. */
const beginning = 2

/** Milliseconds before each attempt to take up a stream that was cut, while nothing of it arrives. */
const pauses = [0, 500, 1_000, 2_000, 4_000, 8_000]

/**
 * The chunks of an execution's stream. A cut connection is taken up again after the last event, so a
 * change of networks loses nothing. An answer that failed ends the stream with ColloquyError.
 */
export function chatStream(
  first: Response,
  options: ChatStreamOptions,
): ReadableStream<UIMessageChunk> {
  const { turn, onAbort } = options
  const { signal } = turn
  const left = new AbortController()
  const abort = () => {
    left.abort()
    onAbort()
  }
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const chunks = readChunks(first, options, left.signal)
  // Pulled one by one: an error of a stream would drop the chunks that wait before it.
  return new ReadableStream<UIMessageChunk>(
    {
      async pull(controller) {
        const { value, done } = await chunks.next()
        if (!done) return controller.enqueue(value)
        signal.removeEventListener('abort', abort)
        controller.close()
      },
      cancel() {
        signal.removeEventListener('abort', abort)
        left.abort()
      },
    },
    { highWaterMark: 0 },
  )
}

/** The execution that a response streams. */
export function executionOf({ headers }: Response): string {
  return headers.get('x-execution-id') ?? ''
}

/** The execution of an answer that nobody reads any more. */
export async function leave(response: Response): Promise<string> {
  await response.body?.cancel()
  return executionOf(response)
}

async function* readChunks(
  first: Response,
  { agents, executionId, turn, onEnd, onMessageId, refused }: ChatStreamOptions,
  left: AbortSignal,
): AsyncGenerator<UIMessageChunk, void, void> {
  let response: Response | null = first
  let last = '0'
  for (let failures = 0; ;) {
    let cut: unknown = new TypeError('network error: the stream was cut')
    try {
      response ??= await agents.follow(executionId, last, left)
      for await (const { id, data } of readEvents(response, left)) {
        if (id !== null && id !== last) failures = 0
        last = id ?? last
        if (data === '[DONE]') {
          onEnd()
          if (refused) throw refused
          return
        }
        const chunk = JSON.parse(data) as UIMessageChunk
        if (chunk.type === 'error') {
          onEnd()
          throw streamError(chunk.errorText)
        }
        // A new step would hide the calls, to which the results that follow belong.
        const isFirstStep = chunk.type === 'start-step' && Number(id) <= beginning
        if (onMessageId && isFirstStep) continue
        yield chunk.type === 'start' && onMessageId ? withoutId(chunk, onMessageId) : chunk
      }
    } catch (error) {
      if (isFinal(error)) throw error
      cut = error
    }
    if (left.aborted) {
      if (turn.signal.aborted) await turn.over
      throw abortError()
    }
    response = null
    const pause = pauses[failures]
    if (pause === undefined) throw cut
    failures += 1
    await wait(pause, left)
  }
}

/** Whether another attempt is of no help. Each runtime names a lost connection in its own way. */
function isFinal(error: unknown): boolean {
  // A server that restarts answers so.
  if (error instanceof ColloquyError) return ![502, 503, 504].includes(error.details.status ?? 0)
  return error instanceof SyntaxError
}

function wait(milliseconds: number, left: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      left.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    left.addEventListener('abort', end)
  })
}

function withoutId(
  { messageId, ...start }: UIMessageChunk & { readonly type: 'start' },
  onMessageId: (id: string) => void,
): UIMessageChunk {
  if (messageId !== undefined) onMessageId(messageId)
  return start
}
