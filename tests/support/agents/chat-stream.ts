import { eventStream } from './raw-http.ts'
import type { RawStep } from './raw-provider.ts'

/** One frame of an OpenAI-compatible stream. */
export const frame = (delta: object, rest: object = {}) =>
  `data: ${JSON.stringify({ id: 'gen-1', model: 'm', choices: [{ index: 0, delta, ...rest }] })}\n\n`

export const text = (content: string) => frame({ content })

/** The end of a whole answer. */
export const stop = `${frame({}, { finish_reason: 'stop' })}data: [DONE]\n\n`

/** An answer whose pieces come one after the other, some milliseconds apart. */
export function slowAnswer(pieces: readonly string[], delayMs: number): RawStep[] {
  const steps = eventStream([...pieces.map(text), stop])
  return steps.flatMap((step, index) => (index < 2 ? [step] : [{ delayMs }, step]))
}

/** A point at which a scripted answer waits until the test goes on. */
export function gate(): { step: RawStep; open: () => void } {
  let open: () => void = () => undefined
  const until = new Promise<void>((resolve) => (open = resolve))
  return { step: { until }, open }
}

/** Reads a stream piece by piece. */
export class StreamReader {
  text = ''
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()

  constructor(response: Response) {
    if (response.body === null) throw new Error('the answer has no body')
    this.#reader = response.body.getReader()
  }

  /** Reads until what was read contains a text, or for ever: the test then times out. */
  async until(part: string): Promise<string> {
    while (!this.text.includes(part)) if (!(await this.#read())) break
    if (!this.text.includes(part)) throw new Error(`the stream ended without ${part}`)
    return this.text
  }

  /** Reads until at least so many characters have come, or the stream has ended. */
  async atLeast(length: number): Promise<string> {
    while (this.text.length < length) if (!(await this.#read())) break
    return this.text
  }

  async toEnd(): Promise<string> {
    for (;;) if (!(await this.#read())) return this.text
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel()
  }

  async #read(): Promise<boolean> {
    const { done, value } = await this.#reader.read()
    if (!done) this.text += this.#decoder.decode(value, { stream: true })
    return !done
  }
}

/** A stream's events alone, without comments, and without a last one that is not whole. */
export function eventsOf(stream: string): string {
  return stream
    .split(/(?<=\n\n)/)
    .filter((block) => block.endsWith('\n\n') && !block.startsWith(':'))
    .join('')
}

/** The id of the last whole event; 0 when there is none. */
export function lastIdOf(stream: string): number {
  const ids = [...eventsOf(stream).matchAll(/^id: (\d+)$/gm)]
  return Number(ids.at(-1)?.[1] ?? 0)
}

/** The text that a stream's deltas add up to. */
export function answerOf(stream: string): string {
  return [...eventsOf(stream).matchAll(/^data: (\{"type":"text-delta"[^\n]*)$/gm)]
    .map(([, data]) => (JSON.parse(data ?? '') as { delta: string }).delta)
    .join('')
}
