import { errorCodes } from '../../errors.ts'
import type { SourcePart } from '../../models/model-protocol.ts'
import { stringifyStorable } from '../../storable.ts'
import {
  type Chunk,
  inputDeltaChunk,
  inputErrorChunk,
  inputStartChunk,
} from '../../tools/tool-chunks.ts'
import { type BegunExecution, type FinishedExecution, isRefusal } from '../execution.ts'

/** Kinds of part whose text arrives in pieces. */
export type StreamedKind = 'text' | 'reasoning'

/** A part of the message that has begun and not ended. */
export interface OpenPart {
  readonly kind: StreamedKind
  readonly id: string
}

/** How far a stream has come: the id of its last event, and what is open after it. */
export interface Position {
  readonly id: number
  readonly open: OpenPart | null
}

/** A call of which the model has written a part. */
export interface BegunCall {
  readonly id: string
  readonly name: string
}

export const beginning: Position = { id: 0, open: null }

/**
 * Makes the chunks of one answer as an AI SDK UI message stream (v1), up to its end, each as JSON
 * text. The same text is stored and sent, so that a later reader gets the same bytes.
 * https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol
 */
export class UiMessageChunks {
  #parts = 0
  #sources = 0
  #open: OpenPart | null = null
  readonly #calls = new BegunCalls()

  get open(): OpenPart | null {
    return this.#open
  }

  /** The first chunks: which message this is and which execution writes it. */
  start(execution: BegunExecution): string[] {
    const model = execution.route[0]?.name
    const messageMetadata = {
      execution_id: execution.execution_id,
      session_id: execution.session_id,
      agent: execution.agent.name,
      ...(model !== undefined && { model }),
    }
    const { response_message_id: messageId } = execution
    return [json({ type: 'start', messageId, messageMetadata }), json({ type: 'start-step' })]
  }

  /** The next piece of a part; another kind than the last one's begins a new part. */
  delta(kind: StreamedKind, delta: string): string[] {
    if (this.#open?.kind === kind) {
      return [json({ type: `${kind}-delta`, id: this.#open.id, delta })]
    }
    const closed = closePart(this.#open)
    this.#parts += 1
    const id = `${kind}-${this.#parts}`
    this.#open = { kind, id }
    const begun = [json({ type: `${kind}-start`, id }), json({ type: `${kind}-delta`, id, delta })]
    return [...closed, ...begun]
  }

  /** The next piece of the arguments of a call; the first piece tells of the call. */
  input(call: BegunCall, delta: string): string[] {
    const { id, name } = call
    const chunks = this.#calls.has(id) ? [] : [inputStartChunk(id, name)]
    if (delta !== '') chunks.push(inputDeltaChunk(id, delta))
    return this.whole(chunks)
  }

  /** The end of each call that did not become whole: it is never made. */
  cutCalls(): string[] {
    return this.whole(this.#calls.cut())
  }

  /** What the model says it read. */
  sources(sources: readonly SourcePart[]): string[] {
    return this.whole(
      sources.map(({ url, title }) => {
        this.#sources += 1
        const source = { type: 'source-url', sourceId: `source-${this.#sources}`, url }
        return title === undefined ? source : { ...source, title }
      }),
    )
  }

  /** Chunks that are whole in themselves; a part that is open ends before them. */
  whole(chunks: readonly Chunk[]): string[] {
    if (chunks.length === 0) return []
    const closed = closePart(this.#open)
    this.#open = null
    for (const chunk of chunks) this.#calls.add(chunk)
    return [...closed, ...chunks.map(json)]
  }
}

/** The calls of a stream that have begun and are not whole: what the model wrote of each. */
export class BegunCalls {
  readonly #calls = new Map<string, { readonly name: string; text: string }>()

  has(id: string): boolean {
    return this.#calls.has(id)
  }

  add({ type, ...chunk }: { readonly type?: unknown } & Readonly<Record<string, unknown>>): void {
    const id = String(chunk['toolCallId'])
    if (type === 'tool-input-start') {
      this.#calls.set(id, { name: String(chunk['toolName']), text: '' })
    } else if (type === 'tool-input-delta') {
      const call = this.#calls.get(id)
      if (call) call.text += String(chunk['inputTextDelta'])
    } else if (type === 'tool-input-available' || type === 'tool-input-error') {
      this.#calls.delete(id)
    }
  }

  /** The chunks that end them. */
  cut(): Chunk[] {
    return [...this.#calls].map(([id, { name, text }]) => inputErrorChunk(id, name, text))
  }
}

/**
 * The part that is open after a chunk. It is enough to end a stream whose last chunk alone is
 * known.
 */
export function openAfter(chunk: {
  readonly type?: unknown
  readonly id?: unknown
}): OpenPart | null {
  const kind = /^(text|reasoning)-(?:start|delta)$/.exec(String(chunk.type))?.[1]
  return kind === undefined ? null : { kind: kind as StreamedKind, id: String(chunk.id) }
}

/** The last chunks of the calls of a worker that died while its model wrote them. */
export function cutCallChunks(open: OpenPart | null, calls: BegunCalls): string[] {
  const cut = calls.cut()
  return cut.length === 0 ? [] : [...closePart(open), ...cut.map(json)]
}

/** The last chunks of an answer that is stored as complete. */
export function finishChunks(
  open: OpenPart | null,
  { finish_reason, usage, cost_usd, model, message }: FinishedExecution,
): string[] {
  const { input_tokens, output_tokens, total_tokens } = usage
  const messageMetadata = {
    usage: { input_tokens, output_tokens, total_tokens },
    finish_reason,
    cost_usd,
    ...(model !== null && { model }),
    ...(isRefusal(message?.parts) && { refusal: true }),
  }
  const finishReason = finishReasons.get(finish_reason ?? '') ?? 'other'
  return [
    ...closePart(open),
    json({ type: 'finish-step' }),
    json({ type: 'finish', finishReason, messageMetadata }),
  ]
}

/** The last chunks of an answer that someone cancelled. */
export function abortChunks(open: OpenPart | null, reason: string): string[] {
  return [...closePart(open), json({ type: 'abort', reason })]
}

/** The last chunks of an answer that failed. */
export function errorChunks(open: OpenPart | null, errorText: string): string[] {
  return [...closePart(open), json({ type: 'error', errorText })]
}

/** Tells that the model does not get the oldest messages of the conversation. */
export function trimChunk(trimmed_messages: number): Chunk {
  return { type: 'message-metadata', messageMetadata: { trimmed_messages } }
}

/** Tells that a person answers in this session: the answer comes as a message of its own. */
export function personChunk(): Chunk {
  const code = 'person_answers'
  return { type: 'data-person', data: { code, message: errorCodes[code].message } }
}

/**
 * The whole stream of an execution that called no model, because a person answers. No table stores it: it
 * follows from the end.
 */
export function personChunks(executionId: string, stored: FinishedExecution): string[] {
  const messageMetadata = { execution_id: executionId, session_id: stored.session_id }
  return [
    json({ type: 'start', messageId: executionId, messageMetadata }),
    json({ type: 'start-step' }),
    json(personChunk()),
    ...finishChunks(null, stored),
  ]
}

function closePart(open: OpenPart | null): string[] {
  return open ? [json({ type: `${open.kind}-end`, id: open.id })] : []
}

function json(chunk: Chunk): string {
  return stringifyStorable(chunk)
}

// The AI SDK's words for ours; any other is `other`.
const finishReasons = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['content_filter', 'content-filter'],
  ['tool_calls', 'tool-calls'],
  ['tool_approval_required', 'tool-calls'],
  ['tool_input_required', 'tool-calls'],
  ['step_limit', 'tool-calls'],
])
