import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonFence } from '../../../supabase/functions/_shared/executions/json-fence.ts'
import type { ModelEvent } from '../../../supabase/functions/_shared/models/model-protocol.ts'

const finish: ModelEvent = { type: 'finish', reason: 'stop', rawReason: 'stop' }

/** What is left of an answer that arrives in pieces. */
function unwrapped(pieces: readonly string[]): string {
  const fence = new JsonFence()
  const events = [
    ...pieces.flatMap((text) => fence.take([{ type: 'text', text }])),
    ...fence.take([finish]),
  ]
  expect(events.at(-1)).toEqual(finish)
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('')
}

describe('a fence around JSON', () => {
  it.each([
    ['```json\n{"a":1}\n```', '{"a":1}'],
    ['```\n{"a":1}\n```\n', '{"a":1}'],
    ['\n  ```JSON\n[1]```', '[1]'],
    ['```json\n{"a":"```"}\n```', '{"a":"```"}'],
    ['{"a":1}', '{"a":1}'],
    ['{"a":"```json\\n"}', '{"a":"```json\\n"}'],
    ['``not a fence', '``not a fence'],
    ['```json {"a":1}', '```json {"a":1}'],
    ['', ''],
    ['```json\n{"a":1}\n``` That is it.', '{"a":1}\n``` That is it.'],
  ])('of %j leaves %j, however it is cut', (text, left) => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), text.length]
        const pieces = edges.slice(1).map((end, index) => text.slice(edges[index], end))
        expect(unwrapped(pieces)).toBe(left)
      }),
      { numRuns: 60 },
    )
  })

  it('is not waited for: what cannot be one is told at once', () => {
    const fence = new JsonFence()
    expect(fence.take([{ type: 'text', text: '{' }])).toEqual([{ type: 'text', text: '{' }])
    const other = new JsonFence()
    expect(other.take([{ type: 'text', text: '```json\n{"a"' }])).toEqual([
      { type: 'text', text: '{"a"' },
    ])
  })
})
