import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StorableEvents } from '../../../supabase/functions/_shared/executions/storable-events.ts'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/model-protocol.ts'

const textOf = (events: readonly ModelEvent[]) =>
  events.map((event) => ('text' in event ? event.text : '')).join('')
const text = (value: string): ModelEvent => ({ type: 'text', text: value })

describe('what a model says', () => {
  it('passes untouched when it can be stored', () => {
    const events: ModelEvent[] = [text('Hello'), { type: 'reasoning', text: 'Hm.' }]
    expect(new StorableEvents().take(events)).toBe(events)
  })

  it('is whole wherever the provider splits it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(200)), (value, cuts) => {
        const storable = new StorableEvents()
        const places = [0, ...cuts.map((cut) => cut % (value.length + 1)), value.length]
        const pieces = places
          .toSorted((a, b) => a - b)
          .map((place, index, all) => value.slice(all[index - 1] ?? 0, place))
        const out = pieces.flatMap((piece) => storable.take([text(piece)]))
        for (const event of out) expect(textOf([event]).isWellFormed()).toBe(true)
        expect(textOf(out)).toBe(value.toWellFormed().replaceAll('\0', '\uFFFD'))
      }),
    )
  })

  it('is whole in the arguments of calls that come at the same time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        const storable = new StorableEvents()
        const said = { a: '', b: '' }
        const take = (event: ModelEvent) => {
          for (const one of storable.take([event])) {
            if (one.type !== 'tool_call_delta') continue
            expect(one.arguments.isWellFormed()).toBe(true)
            said[one.id as 'a' | 'b'] += one.arguments
          }
        }
        const call = { type: 'tool_call_delta', name: 't' } as const
        for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
          take({ ...call, id: 'a', arguments: a[at] ?? '' })
          take({ ...call, id: 'b', arguments: b[at] ?? '' })
        }
        for (const [id, text] of Object.entries({ a, b })) {
          take({ type: 'tool_call', id, name: 't', arguments: text })
          expect(said[id as 'a' | 'b']).toBe(text.toWellFormed().replaceAll('\0', '\uFFFD'))
        }
      }),
    )
  })

  it('has U+FFFD for half of a character that gets no other half', () => {
    const storable = new StorableEvents()
    expect(storable.take([text('a\uD83C')])).toEqual([text('a')])
    expect(
      storable.take([
        { type: 'reasoning', text: 'b' },
        { type: 'finish', reason: 'stop', rawReason: 'stop' },
      ]),
    ).toEqual([
      text('\uFFFD'),
      { type: 'reasoning', text: 'b' },
      { type: 'finish', reason: 'stop', rawReason: 'stop' },
    ])
    expect(new StorableEvents().take([text('\uDF88x\0')])).toEqual([text('\uFFFDx\uFFFD')])
  })

  it('has no such character in the name of the answer', () => {
    const start: ModelEvent = { type: 'start', requestId: 'gen-\0', model: '\uD83C' }
    expect(new StorableEvents().take([start, text('a')])).toEqual([
      { type: 'start', requestId: 'gen-\uFFFD', model: '\uFFFD' },
      text('a'),
    ])
  })

  it('has no such character in tool calls and metadata either', () => {
    const metadata = { provider: 'p', model: 'm', deep: ['\0', { 'odd\0': '\uD83C' }] }
    const call: ModelEvent = { type: 'tool_call', id: '1', name: 'n', arguments: '\0', metadata }
    const clean = { provider: 'p', model: 'm', deep: ['\uFFFD', { 'odd\uFFFD': '\uFFFD' }] }
    expect(new StorableEvents().take([call, { type: 'text', text: '', metadata }])).toEqual([
      { ...call, arguments: '\uFFFD', metadata: clean },
      { type: 'text', text: '', metadata: clean },
    ])
  })
})
