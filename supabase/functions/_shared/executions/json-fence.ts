import type { ModelEvent } from '../models/model-protocol.ts'

const opening = /^\s*```[^\n`]*\n/
const closing = /\s*```\s*$/
/** What may still become a closing fence. */
const mayClose = /\s*`{0,3}\s*$/

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
      const rest = this.#state === 'fenced' ? this.#held.replace(closing, '') : this.#held
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
    const held = this.#state === 'fenced' ? (mayClose.exec(this.#held)?.[0] ?? '') : ''
    const said = this.#held.slice(0, this.#held.length - held.length)
    this.#held = held
    return said
  }
}

/** Whether a text may still become an opening fence; its line has an end. */
function mayOpen(text: string): boolean {
  const begun = text.trimStart()
  return begun.length < 3 ? '```'.startsWith(begun) : /^```[^\n`]{0,40}$/.test(begun)
}

function withText(event: ModelEvent & { type: 'text' }, text: string): ModelEvent[] {
  return text === '' && event.metadata === undefined ? [] : [{ ...event, text }]
}
