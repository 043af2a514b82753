import { errorLine } from '../log/redact.ts'
import { denoRuntime } from '../outbound/connection.ts'
import { createPooledFetch } from '../outbound/pooled-fetch.ts'
import { type Clock, sleep, systemClock, Watchdog } from '../time.ts'
import { AnswerBuilder } from './answer-builder.ts'
import { readText } from './byte-reader.ts'
import { type ModelAdapter, ProviderReportedError } from './model-adapter.ts'
import { ModelError, type ModelErrorCode } from './model-error.ts'
import type { ModelRequest } from './model-protocol.ts'
import { failureOfErrorObject, failureOfStatus } from './provider-failure.ts'

/** All in milliseconds. Keep-alive comments and empty deltas are not tokens. */
export interface ModelTimeouts {
  /** From the start, credential included, to the response's headers (streams). */
  connectMs: number
  /** From the headers to the first output. */
  firstTokenMs: number
  /** Between two pieces of output. */
  betweenTokensMs: number
  /** From the finish reason to the end of the body; then the answer ends without its usage. */
  trailerMs: number
  /** From the start to the whole body (answers that are not streamed). */
  completeMs: number
  /** From the start to the end of the body, however steadily it comes. */
  totalMs: number
}

export const defaultTimeouts: ModelTimeouts = {
  connectMs: 60_000,
  firstTokenMs: 90_000,
  betweenTokensMs: 60_000,
  trailerMs: 5_000,
  completeMs: 140_000,
  totalMs: 600_000,
}

export interface ModelCallOptions {
  /** Aborts the request at the provider; the call then rejects with the signal's reason. */
  signal?: AbortSignal
  fetch?: typeof fetch
  clock?: Clock
  /** Makes ids for tool calls of providers that give none. */
  newId?: () => string
  timeouts?: Partial<ModelTimeouts>
  /**
   * Milliseconds between two reads of a stream that speaks; 0 reads each piece as it comes. Only for
   * a `fetch` whose body gives, with each read, all that came.
   */
  readInterval?: number
}

/**
 * A model speaks a word at a time, and to wake up for each is most of what a stream costs. A person
 * sees no difference.
 */
const defaultReadInterval = 100

/** Under Node, which runs our tests and tools, `fetch` itself. */
const providerFetch = denoRuntime ? createPooledFetch(denoRuntime, systemClock) : fetch

const MAX_ERROR_BODY_BYTES = 64 * 1024

/** One request to a provider: its deadline, its abort signal and its one error. */
export class ModelCall {
  readonly timeouts: ModelTimeouts
  readonly readInterval: number
  readonly #adapter: ModelAdapter
  readonly #options: ModelCallOptions
  readonly #clock: Clock
  readonly #controller = new AbortController()
  readonly #watchdog: Watchdog
  readonly #onAbort: () => void
  readonly #endsAt: number
  #expired: ModelError | null = null
  answer: AnswerBuilder
  /**
   * Held until the call is over: once Deno (2.9.6) has collected a Response, aborting no longer
   * reaches its body. A stalled provider would then be waited for, and paid, for ever.
   */
  response: Response | null = null

  constructor(adapter: ModelAdapter, options: ModelCallOptions) {
    this.#adapter = adapter
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.timeouts = { ...defaultTimeouts, ...options.timeouts }
    const givesAll = options.fetch === undefined && denoRuntime !== undefined
    this.readInterval = options.readInterval ?? (givesAll ? defaultReadInterval : 0)
    this.#endsAt = this.#clock.now() + this.timeouts.totalMs
    this.answer = this.#newAnswer(null)
    this.#watchdog = new Watchdog(this.#clock, (reason) => {
      this.#expired = this.#timeout(reason as ModelErrorCode)
      this.#controller.abort(new DOMException(reason, 'TimeoutError'))
    })
    this.#onAbort = () => this.#controller.abort(options.signal?.reason)
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (options.signal?.aborted === true) this.#onAbort()
  }

  /** Replaces the deadline, never beyond the end of all; when it passes the call fails with `code`. */
  expect(code: ModelErrorCode, milliseconds: number): void {
    this.#watchdog.expect(code, Math.min(milliseconds, this.#endsAt - this.#clock.now()))
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#clock.now()
  }

  /** Lets time pass, or ends at once when the call does. */
  pause(milliseconds: number): Promise<void> {
    return sleep(this.#clock, milliseconds, this.#controller.signal)
  }

  /** Whether the caller gave up. */
  get aborted(): boolean {
    return this.#options.signal?.aborted === true
  }

  /** Sends the request and returns a 200, or throws what any other answer means. */
  async open(request: ModelRequest, mode: 'stream' | 'complete'): Promise<Response> {
    const { signal } = this.#controller
    const send = this.#options.fetch ?? providerFetch
    signal.throwIfAborted()
    const context = { fetch: send, clock: this.#clock, signal }
    const wire = await this.#adapter.prepare(request, mode, context)
    signal.throwIfAborted()
    const { url, headers, body } = wire
    // Redirects are not followed: the body and the credential belong to the configured host.
    const init: RequestInit = { method: 'POST', headers, body, signal, redirect: 'manual' }
    const response = await this.transport(send(url, init), 'provider_unreachable')
    this.response = response
    this.answer = this.#newAnswer(this.#adapter.requestIdOf(response.headers))
    if (response.status === 200) return response
    throw await this.#refusal(response)
  }

  /** Waits for the network; what it does wrong becomes `code`, or the time-out that caused it. */
  async transport<T>(work: Promise<T>, code: ModelErrorCode): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw this.transportFailure(error, code)
    }
  }

  /** What a failure of the network means: `code`, or the time-out that caused it. */
  transportFailure(error: unknown, code: ModelErrorCode): ModelError {
    if (this.#expired !== null) return this.#expired
    return new ModelError(code, { detail: errorLine(error, this.#adapter.secrets()) })
  }

  /**
   * The error to throw for `error`: the caller's reason, a ModelError, or the error itself when it
   * is a defect of ours.
   */
  failure(error: unknown): unknown {
    if (this.aborted) return this.#options.signal?.reason
    const failure = this.#toModelError(error)
    if (failure === null) return error
    failure.outputSeen = this.answer.progress > 0
    failure.requestId = this.answer.requestId
    failure.usage = this.answer.reportedUsage
    return failure
  }

  /** Ends everything this call holds; `abort` also ends the request at the provider. */
  close(abort: boolean): void {
    this.#watchdog.stop()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    if (abort) this.#controller.abort(new DOMException('the call is over', 'AbortError'))
    this.response = null
  }

  #toModelError(error: unknown): ModelError | null {
    if (error instanceof ModelError) return error
    if (error instanceof ProviderReportedError) {
      return failureOfErrorObject(error.reported, this.#context())
    }
    return this.#expired
  }

  /**
   * An answer that took all the time there is was long, which its caller asked for. A provider that
   * accepted the request and then thinks for long was asked to (`reasoning_effort`): another model may
   * answer, and the breaker, which is everyone's, does not count it.
   */
  #timeout(code: ModelErrorCode): ModelError {
    if (this.#clock.now() >= this.#endsAt)
      return new ModelError('provider_timeout', { fault: 'caller' })
    const accepted = code === 'provider_timeout' && this.response?.status === 200
    return new ModelError(code, accepted ? { fault: 'platform' } : {})
  }

  /** A status other than 200 is enough, also when its body cannot be read. */
  async #refusal(response: Response): Promise<ModelError> {
    this.expect('provider_timeout', this.timeouts.trailerMs)
    let body = { text: '', truncated: true }
    try {
      body = await readText(response, MAX_ERROR_BODY_BYTES)
    } catch (error) {
      body.text = `(body unreadable: ${errorLine(error, this.#adapter.secrets())})`
    }
    const failure = failureOfStatus(response, body.text, body.truncated, this.#context())
    if (failure.status === 401) this.#adapter.credentialRefused?.()
    return failure
  }

  #newAnswer(requestId: string | null): AnswerBuilder {
    return new AnswerBuilder(requestId, this.#options.newId ?? (() => crypto.randomUUID()))
  }

  #context(): { secrets: readonly string[]; now: number } {
    return { secrets: this.#adapter.secrets(), now: this.#clock.now() }
  }
}
