import type { ModelEvent, PictureEvent, SourcePart } from '../models/model-protocol.ts'

type Json = Record<string, unknown>
/** An event of the stream, without its number. */
export type ResponseEvent = Json & { type: string }

interface OpenItem {
  readonly index: number
  readonly item: Json & { id: string }
}

/**
 * Makes the output items of one response, and the events that tell of them: the same items whether
 * the answer is streamed, whole, or was stored.
 * https://platform.openai.com/docs/api-reference/responses-streaming
 */
export class ResponseItems {
  readonly output: (Json & { id: string })[] = []
  readonly #execution: string
  #events: ResponseEvent[] = []
  #thought: OpenItem | null = null
  #message: OpenItem | null = null
  readonly #calls = new Map<string, OpenItem>()
  #counted = { rs: 0, msg: 0, ig: 0 }

  /** @param execution its id, which is part of the id of each item */
  constructor(execution: string) {
    this.#execution = execution
  }

  add(events: readonly ModelEvent[]): ResponseEvent[] {
    for (const event of events) this.#add(event)
    return this.#take()
  }

  /** Ends what is open. */
  end(): ResponseEvent[] {
    this.#endThought()
    this.#endMessage()
    return this.#take()
  }

  #add(event: ModelEvent): void {
    switch (event.type) {
      case 'reasoning':
        if (event.text !== '') this.#think(event.text)
        break
      case 'text':
        if (event.text !== '') this.#say('output_text', event.text)
        break
      case 'refusal':
        this.#say('refusal', event.text)
        break
      case 'source':
        this.#cite(event)
        break
      case 'picture':
        this.#show(event)
        break
      case 'tool_call_delta':
        this.#call(event.id, event.name, event.arguments)
        break
      case 'tool_call':
        this.#endCall(event.id, event.name, event.arguments)
        break
      // No item shows these; the response itself has them.
      case 'start':
      case 'embeddings':
      case 'usage':
      case 'finish':
    }
  }

  #think(text: string): void {
    this.#endMessage()
    if (!this.#thought) {
      this.#thought = this.#open({ id: this.#newId('rs'), type: 'reasoning', summary: [] })
      const part = { type: 'summary_text', text: '' }
      const more = { summary_index: 0, part: { ...part } }
      this.#tell('response.reasoning_summary_part.added', this.#thought, more)
      this.#thought.item['summary'] = [part]
    }
    const [part] = this.#thought.item['summary'] as [{ text: string }]
    part.text += text
    const more = { summary_index: 0, delta: text }
    this.#tell('response.reasoning_summary_text.delta', this.#thought, more)
  }

  #endThought(): void {
    const open = this.#thought
    if (!open) return
    this.#thought = null
    const [part] = open.item['summary'] as [{ text: string }]
    const { text } = part
    this.#tell('response.reasoning_summary_text.done', open, { summary_index: 0, text })
    this.#tell('response.reasoning_summary_part.done', open, {
      summary_index: 0,
      part: { ...part },
    })
    this.#done(open)
  }

  #say(type: 'output_text' | 'refusal', text: string): void {
    const { open, part, place } = this.#part(type)
    const field = type === 'refusal' ? 'refusal' : 'text'
    part[field] = String(part[field]) + text
    const logprobs = type === 'refusal' ? {} : { logprobs: [] }
    this.#tell(`response.${type}.delta`, open, { content_index: place, delta: text, ...logprobs })
  }

  #cite({ url, title, start_index, end_index }: SourcePart): void {
    const { open, part, place } = this.#part('output_text')
    const annotations = part['annotations'] as object[]
    const span = { start_index: start_index ?? 0, end_index: end_index ?? 0 }
    const annotation = { type: 'url_citation', url, title: title ?? url, ...span }
    annotations.push(annotation)
    this.#tell('response.output_text.annotation.added', open, {
      content_index: place,
      annotation_index: annotations.length - 1,
      annotation,
    })
  }

  /** The last part of the message, when it is of the type; else a new one. */
  #part(type: 'output_text' | 'refusal'): { open: OpenItem; part: Json; place: number } {
    this.#endThought()
    this.#message ??= this.#open({
      id: this.#newId('msg'),
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: [],
    })
    const open = this.#message
    const content = open.item['content'] as Json[]
    const last = content.at(-1)
    if (last?.['type'] === type) return { open, part: last, place: content.length - 1 }
    if (last) this.#endPart(open, content.length - 1)
    const part: Json =
      type === 'refusal' ? { type, refusal: '' } : { type, text: '', annotations: [], logprobs: [] }
    content.push(part)
    const place = content.length - 1
    const more = { content_index: place, part: structuredClone(part) }
    this.#tell('response.content_part.added', open, more)
    return { open, part, place }
  }

  #endPart(open: OpenItem, place: number): void {
    const part = (open.item['content'] as Json[])[place] ?? {}
    const said =
      part['type'] === 'refusal'
        ? { refusal: part['refusal'] }
        : { text: part['text'], logprobs: [] }
    this.#tell(`response.${String(part['type'])}.done`, open, { content_index: place, ...said })
    this.#tell('response.content_part.done', open, { content_index: place, part: { ...part } })
  }

  #endMessage(): void {
    const open = this.#message
    if (!open) return
    this.#message = null
    this.#endPart(open, (open.item['content'] as Json[]).length - 1)
    open.item['status'] = 'completed'
    this.#done(open)
  }

  #call(id: string, name: string, args: string): OpenItem {
    this.#endThought()
    let open = this.#calls.get(id)
    if (!open) {
      open = this.#open({
        id: `fc_${this.#execution}_${id}`,
        type: 'function_call',
        status: 'in_progress',
        arguments: '',
        call_id: id,
        name,
      })
      this.#calls.set(id, open)
    }
    if (args === '') return open
    open.item['arguments'] = String(open.item['arguments']) + args
    this.#tell('response.function_call_arguments.delta', open, { delta: args })
    return open
  }

  #endCall(id: string, name: string, args: string): void {
    const before = this.#calls.get(id)?.item['arguments'] ?? ''
    const open = this.#call(id, name, before === '' ? args : '')
    open.item['arguments'] = args
    open.item['status'] = 'completed'
    this.#tell('response.function_call_arguments.done', open, { name, arguments: args })
    this.#done(open)
  }

  #show({ url }: PictureEvent): void {
    this.#endThought()
    this.#endMessage()
    const open = this.#open({
      id: this.#newId('ig'),
      type: 'image_generation_call',
      status: 'in_progress',
      result: null,
    })
    this.#tell('response.image_generation_call.completed', open, {})
    open.item['status'] = 'completed'
    // Base64 alone, whose beginning says of which type it is.
    open.item['result'] = url.slice(url.indexOf(',') + 1)
    this.#done(open)
  }

  #newId(kind: 'rs' | 'msg' | 'ig'): string {
    return `${kind}_${this.#execution}_${this.#counted[kind]++}`
  }

  #open(item: Json & { id: string }): OpenItem {
    this.output.push(item)
    const open = { index: this.output.length - 1, item }
    this.#tellItem('added', open)
    return open
  }

  #done(open: OpenItem): void {
    this.#tellItem('done', open)
  }

  // As it is now: what follows changes the item, before this event is written.
  #tellItem(what: 'added' | 'done', { index: output_index, item }: OpenItem): void {
    const type = `response.output_item.${what}`
    this.#events.push({ type, output_index, item: structuredClone(item) })
  }

  #tell(type: string, { index: output_index, item }: OpenItem, more: object): void {
    this.#events.push({ type, item_id: item.id, output_index, ...more })
  }

  #take(): ResponseEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }
}
