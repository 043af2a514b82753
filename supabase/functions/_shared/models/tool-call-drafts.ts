import { ModelError } from './model-error.ts'
import type { ProviderMetadata, ToolCallDeltaEvent, ToolCallEvent } from './model-protocol.ts'

/** Calls of one answer, and characters of their arguments together: far more than models can say. */
const maxToolCalls = 128
const maxToolCallLength = 4 * 1024 * 1024

/** What a provider says of a call in one piece; what is null it does not say. */
export interface ToolCallPiece {
  readonly index: number | null
  readonly id: string | null
  readonly name: string | null
  readonly arguments: string
  readonly metadata?: ProviderMetadata
}

interface Draft {
  readonly index: number | null
  id: string | null
  name: string
  arguments: string
  metadata: ProviderMetadata | undefined
  /** The id under which it is shown, once it was. */
  shown: string | null
}

/**
 * Assembles the calls of one answer from their pieces. Providers name a call by its index, by its id
 * or by neither, and some give every call the same index or the same id. So id, index and name judge
 * together which call a piece belongs to:
 * 1. A piece that has no name goes on with a call: with that of its id and index, else with the last of
 *    its id, else with the last of its index, else with the last.
 * 2. A piece that has a name goes on with such a call only where nothing speaks against it: another id,
 *    another index, another name, or arguments that begin where those of the call are whole.
 * 3. A piece that says all of a call once more, its id included, adds nothing.
 */
export class ToolCallDrafts {
  #drafts: Draft[] = []
  #length = 0
  readonly #ids = new Set<string>()
  readonly #newId: () => string

  /** @param newId makes ids for calls of providers that give none, or one twice */
  constructor(newId: () => string) {
    this.#newId = newId
  }

  /**
   * Adds a piece, and returns what of it may be shown.
   * @throws ModelError `provider_malformed_response` for calls without an end
   */
  add(piece: ToolCallPiece): ToolCallDeltaEvent | null {
    const found = this.#find(piece)
    if (found && isRepeated(found, piece)) return null
    const draft = found ?? this.#begin(piece)
    draft.id ??= piece.id
    draft.name ||= piece.name ?? ''
    draft.arguments += piece.arguments
    draft.metadata ??= piece.metadata
    this.#count(piece.arguments.length)
    if (draft.name === '') return null
    const first = draft.shown === null
    const said = first ? draft.arguments : piece.arguments
    // Some begin without an id: it is awaited until there is something to show.
    if (said === '' && (!first || draft.id === null)) return null
    const id = (draft.shown ??= this.#idOf(draft))
    return { type: 'tool_call_delta', id, name: draft.name, arguments: said }
  }

  /** Adds a call that came whole. */
  addWhole(piece: ToolCallPiece): void {
    const draft = this.#begin(piece)
    draft.name = piece.name ?? ''
    draft.arguments = piece.arguments
    this.#count(piece.arguments.length)
  }

  /**
   * All calls, in the order of their indexes and then as they came.
   * @throws ModelError `provider_malformed_response` for one without a name
   */
  whole(): ToolCallEvent[] {
    const inOrder = this.#drafts.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))
    return inOrder.map((draft) => {
      const { name, arguments: args, metadata } = draft
      if (name === '') throw malformed('tool call without a name')
      const id = (draft.shown ??= this.#idOf(draft))
      const call = { type: 'tool_call' as const, id, name, arguments: args === '' ? '{}' : args }
      return metadata === undefined ? call : { ...call, metadata }
    })
  }

  #find(piece: ToolCallPiece): Draft | undefined {
    const { index, id, name } = piece
    const ofId = id === null ? [] : this.#drafts.filter((draft) => draft.id === id)
    const atIndex = (draft: Draft) => draft.index === index
    const last = index === null ? this.#drafts.at(-1) : this.#drafts.findLast(atIndex)
    const here = ofId.findLast(atIndex) ?? ofId.at(-1) ?? last
    if (!here || name === null || isRepeated(here, piece)) return here
    return isAnother(here, piece) ? undefined : here
  }

  #begin({ index, id, metadata }: ToolCallPiece): Draft {
    const draft = { index, id, name: '', arguments: '', metadata, shown: null }
    this.#drafts.push(draft)
    // Nobody is shown the end of a call that never comes, so nobody else would notice.
    if (this.#drafts.length > maxToolCalls) throw malformed('tool calls without an end')
    return draft
  }

  #idOf({ id }: Draft): string {
    const own = id === null || this.#ids.has(id) ? `call_${this.#newId()}` : id
    this.#ids.add(own)
    return own
  }

  #count(length: number): void {
    this.#length += length
    if (this.#length > maxToolCallLength) throw malformed('tool calls without an end')
  }
}

/** Whether a piece that has a name begins another call than this one. */
function isAnother(draft: Draft, { index, id, name, arguments: more }: ToolCallPiece): boolean {
  if (id !== null && draft.id !== null && id !== draft.id) return true
  if (index !== null && draft.index !== null && index !== draft.index) return true
  return draft.name !== '' && (draft.name !== name || begins(draft.arguments, more))
}

/** Whether a piece says all of this call once more. */
function isRepeated(draft: Draft, { index, id, name, arguments: all }: ToolCallPiece): boolean {
  const isSame = id !== null && id === draft.id && index === draft.index && name === draft.name
  return isSame && all === draft.arguments && begins(draft.arguments, all)
}

/** Whether arguments that are whole are followed by others that begin. */
function begins(before: string, more: string): boolean {
  if (!more.trimStart().startsWith('{')) return false
  try {
    JSON.parse(before)
    return true
  } catch {
    return false
  }
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
