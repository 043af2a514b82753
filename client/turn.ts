import { abortError } from './error.ts'

/**
 * One request of a chat, from its sending to the end of its answer. A later request of the same chat may
 * take its place: then it stops at once, and ends for the chat when the later one has its answer, because
 * the chat shows the state of what ended last.
 */
export class Turn {
  readonly #controller = new AbortController()
  #end = () => undefined as void
  /** Fulfilled when the chat may be told that this request was stopped. */
  readonly over = new Promise<void>((resolve) => (this.#end = resolve))

  /** @param stopped aborts when the person stops the request */
  constructor(stopped: AbortSignal | undefined) {
    const stop = () => {
      this.#controller.abort()
      this.#end()
    }
    stopped?.addEventListener('abort', stop, { once: true })
    if (stopped?.aborted) stop()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Stops it. @returns tells the chat that it was stopped, and lets the chat take note */
  giveWay(): () => Promise<void> {
    this.#controller.abort()
    return () => {
      this.#end()
      return new Promise((resolve) => void setTimeout(resolve))
    }
  }

  /**
   * Waits for the answer's beginning.
   * @param open sends the request
   * @param stop called when this request is stopped meanwhile: it stops the answer as soon as it has begun
   * @throws the error of an abort when this request is stopped
   */
  async unlessStopped<Answer>(
    open: () => Promise<Answer>,
    stop: (opening: Promise<Answer>) => void,
  ): Promise<Answer> {
    const { signal, over } = this
    if (signal.aborted) return over.then(() => Promise.reject(abortError()))
    const opening = open()
    let onAbort = () => undefined as void
    const stopped = new Promise<never>((_, reject) => {
      onAbort = () => {
        stop(opening)
        void over.then(() => reject(abortError()))
      }
    })
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([opening, stopped])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
