import type { ModelEvent, PictureEvent, SourcePart } from '../../models/model-protocol.ts'
import type { Clock } from '../../time.ts'
import type { Chunk } from '../../tools/tool-chunks.ts'
import type { BegunExecution } from '../execution.ts'
import type { EventLog } from './event-log.ts'
import {
  type BegunCall,
  type Position,
  type StreamedKind,
  UiMessageChunks,
} from './ui-message-chunks.ts'
import { eventsText } from './ui-message-stream.ts'

/**
 * Milliseconds of output that are joined into one event and one write. Measured: under Deno the
 * writes are most of a stream's CPU; a person sees no difference.
 */
export const writeInterval = 25

export interface AnswerRecorderOptions {
  readonly clock: Clock
  readonly log: Pick<EventLog, 'append'>
  /** Whether events are written and stored while the model speaks, or all of them at its end. */
  readonly live: boolean
  /** Receives the text of events. */
  readonly write?: (text: string) => void
}

/**
 * Turns a model's output into events: sends each to the client at once, and stores it in the log.
 */
export class AnswerRecorder {
  readonly #options: AnswerRecorderOptions
  readonly #chunks = new UiMessageChunks()
  #ready: string[] = []
  #unlogged: string[] = []
  #held: Held | null = null
  #sources: SourcePart[] = []
  #lastId = 0
  #nextWrite = -Infinity
  #timer: unknown = null

  constructor(options: AnswerRecorderOptions) {
    this.#options = options
  }

  get position(): Position {
    return { id: this.#lastId, open: this.#chunks.open }
  }

  /** Sent at once, but stored with the first output only: a call to the database less. */
  start(execution: BegunExecution): void {
    this.#send(this.#chunks.start(execution))
  }

  /** Takes the events of one upstream read. Writes the first output at once. */
  add(events: readonly ModelEvent[]): void {
    for (const event of events) {
      if (event.type === 'text' || event.type === 'reasoning') this.#delta(event.type, event.text)
      // The AI SDK has no part for a refusal: it is shown like the answer that it stands for.
      else if (event.type === 'refusal') this.#delta('text', event.text)
      else if (event.type === 'tool_call_delta') this.#hold(event, event.arguments)
      else if (event.type === 'source') this.#sources.push(event)
      else if (event.type === 'picture') this.#picture(event)
    }
    if (!this.#options.live || (this.#held === null && this.#ready.length === 0)) return
    const { clock } = this.#options
    const wait = this.#nextWrite - clock.now()
    if (wait <= 0) this.flush()
    else this.#timer ??= clock.setTimeout(() => this.flush(), wait)
  }

  /** Takes chunks that are whole in themselves, and writes them at once. */
  put(chunks: readonly Chunk[]): void {
    if (chunks.length === 0) return
    this.#settle()
    this.#tellSources()
    this.#ready.push(...this.#chunks.whole(chunks))
    this.flush()
  }

  /** Writes and logs all that is left, before the end is stored. Calls that are not whole end here. */
  end(): void {
    this.#settle()
    this.#tellSources()
    this.#ready.push(...this.#chunks.cutCalls())
    this.flush()
    this.#store()
  }

  /** Writes what is held back. */
  flush(): void {
    const { clock } = this.#options
    if (this.#timer !== null) clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#settle()
    if (this.#ready.length === 0) return
    this.#send(this.#ready)
    this.#ready = []
    this.#store()
    this.#nextWrite = clock.now() + writeInterval
  }

  #delta(kind: StreamedKind, text: string): void {
    if (text !== '') this.#hold(kind, text)
  }

  #picture({ url, media_type: mediaType }: PictureEvent): void {
    this.#settle()
    this.#ready.push(...this.#chunks.whole([{ type: 'file', url, mediaType }]))
  }

  /** Joins a piece to those before it, of the same part or of the arguments of the same call. */
  #hold(of: Held['of'], piece: string): void {
    const held = this.#held
    if (held && isSame(held.of, of)) {
      held.text += piece
      return
    }
    this.#settle()
    this.#held = { of, text: piece }
  }

  #settle(): void {
    if (!this.#held) return
    const { of, text } = this.#held
    this.#held = null
    const chunks =
      typeof of === 'string' ? this.#chunks.delta(of, text) : this.#chunks.input(of, text)
    this.#ready.push(...chunks)
  }

  // After the text that names them, which would be torn in two otherwise.
  #tellSources(): void {
    if (this.#sources.length > 0) this.#ready.push(...this.#chunks.sources(this.#sources))
    this.#sources = []
  }

  #send(chunks: readonly string[]): void {
    this.#options.write?.(eventsText(this.#lastId + 1, chunks))
    this.#lastId += chunks.length
    this.#unlogged.push(...chunks)
  }

  #store(): void {
    if (this.#unlogged.length > 0) this.#options.log.append(this.#unlogged)
    this.#unlogged = []
  }
}

/** What is held back: pieces of a kind of part, or of the arguments of a call. */
interface Held {
  readonly of: StreamedKind | BegunCall
  text: string
}

function isSame(one: Held['of'], other: Held['of']): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other
  return one.id === other.id
}
