import { describe, expect, it } from 'vitest'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { ResponseItems } from '../../../supabase/functions/_shared/openai/response-items.ts'

/** Each kind of item, with what follows it. */
const said: ModelEvent[] = [
  { type: 'reasoning', text: 'Let me ' },
  { type: 'reasoning', text: 'think.' },
  { type: 'text', text: 'Bern ' },
  { type: 'source', url: 'https://bern.example.com' },
  { type: 'text', text: 'is sunny.' },
  { type: 'refusal', text: 'No more.' },
  { type: 'tool_call_delta', id: 'c1', name: 'w', arguments: '{"a"' },
  { type: 'tool_call_delta', id: 'c1', name: 'w', arguments: ':1}' },
  { type: 'tool_call', id: 'c1', name: 'w', arguments: '{"a":1}' },
  { type: 'picture', url: 'data:image/png;base64,AA==', media_type: 'image/png' },
  { type: 'text', text: 'Done.' },
]

interface Told {
  readonly type: string
  readonly item?: Record<string, unknown>
  readonly part?: Record<string, unknown>
}

const written = (events: object[]) =>
  events.map((event) => JSON.parse(JSON.stringify(event)) as object)

describe('the events of a response', () => {
  it('tell what was true when they happened, however much arrived at once', () => {
    const atOnce = new ResponseItems('x')
    const oneByOne = new ResponseItems('x')
    const each = said.flatMap((event) => written(oneByOne.add([event])))
    expect([...written(atOnce.add(said)), ...written(atOnce.end())]).toEqual([
      ...each,
      ...written(oneByOne.end()),
    ])
  })

  it('begin each item empty, and each part of it', () => {
    const events = new ResponseItems('x').add(said) as Told[]
    const added = events.filter(({ type }) => type.endsWith('.added'))
    const contents = added.map(({ type, item, part }) => [
      type,
      item?.['content'] ??
        item?.['summary'] ??
        item?.['arguments'] ??
        part?.['text'] ??
        part?.['refusal'],
    ])
    expect(contents).toEqual([
      ['response.output_item.added', []],
      ['response.reasoning_summary_part.added', ''],
      ['response.output_item.added', []],
      ['response.content_part.added', ''],
      ['response.output_text.annotation.added', undefined],
      ['response.content_part.added', ''],
      ['response.output_item.added', ''],
      // A picture, and the message that goes on after it.
      ['response.output_item.added', undefined],
      ['response.output_item.added', []],
      ['response.content_part.added', ''],
    ])
  })
})
