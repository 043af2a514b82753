import { cutEnd } from '../cut-end.ts'
import type { ModelEvent } from '../models/model-protocol.ts'

const opening = /^\s*```[^\n`]*\n/

/**
 * Takes the Markdown fence off an answer for which JSON was asked: many models wrap it, whatever they
 * are told. Only as much of the text is held back as may still become a fence.
 */
export class JsonFence {
  #state: 'beginning' | 'fenced' | 'plain' = 'beginning'
  #held = ''

  take(events: readonly ModelEvent[]): readonly ModelEvent[] {
    if (this.#state === 'plain') return events
    return events.flatMap((event): readonly ModelEvent[] => {
      if (event.type === 'text') return withText(event, this.#add(event.text))
      if (event.type !== 'finish') return [event]
      const rest = this.#state === 'fenced' ? withoutFence(this.#held) : this.#held
      this.#held = ''
      return [...withText({ type: 'text', text: '' }, rest), event]
    })
  }

  #add(text: string): string {
    this.#held += text
    if (this.#state === 'beginning') {
      const fence = opening.exec(this.#held)?.[0]
      if (fence === undefined && mayOpen(this.#held)) return ''
      this.#state = fence === undefined ? 'plain' : 'fenced'
      this.#held = this.#held.slice(fence?.length ?? 0)
    }
    const said = this.#state === 'fenced' ? withoutClosing(this.#held) : this.#held
    this.#held = this.#held.slice(said.length)
    return said
  }
}

/** Whether a text may still become an opening fence; its line has an end. */
function mayOpen(text: string): boolean {
  const begun = text.trimStart()
  return begun.length < 3 ? '```'.startsWith(begun) : /^```[^\n`]{0,40}$/.test(begun)
}

/** A text without its end that may still become a closing fence: blanks around three backticks at most. */
function withoutClosing(text: string): string {
  const inner = text.trimEnd()
  const plain = cutEnd(inner, '`')
  return inner.length - plain.length > 3 ? inner.slice(0, -3) : plain.trimEnd()
}

/** A text without the closing fence at its end, if it has one. */
function withoutFence(text: string): string {
  const inner = text.trimEnd()
  return inner.endsWith('```') ? inner.slice(0, -3).trimEnd() : text
}

function withText(event: ModelEvent & { type: 'text' }, text: string): ModelEvent[] {
  return text === '' && event.metadata === undefined ? [] : [{ ...event, text }]
}
