import { describe, expect, it } from 'vitest'
import {
  AnswerRecorder,
  writeInterval,
} from '../../../../supabase/functions/_shared/executions/stream/answer-recorder.ts'
import { eventsText } from '../../../../supabase/functions/_shared/executions/stream/ui-message-stream.ts'
import { begunExecution, readEvents } from '../../../support/agents/agents-fixture.ts'
import { ManualClock } from '../../../support/clocks.ts'

function open(live = true) {
  const clock = new ManualClock(0)
  const written: { at: number; text: string }[] = []
  const stored: string[] = []
  const recorder = new AnswerRecorder({
    clock,
    log: { append: (chunks) => stored.push(...chunks) },
    live,
    write: (text: string) => written.push({ at: clock.now(), text }),
  })
  const deltas = () =>
    stored
      .map((chunk) => JSON.parse(chunk) as { type: string; delta?: string })
      .filter(({ type }) => type === 'text-delta')
      .map(({ delta }) => delta)
  return { clock, recorder, written, stored, deltas }
}

describe('what is written while a model speaks', () => {
  it('is its first words at once, then at most one write per interval', () => {
    const { clock, recorder, written, deltas } = open()
    recorder.start(begunExecution())
    for (let index = 0; index < 100; index += 1) {
      recorder.add([{ type: 'text', text: `${index} ` }])
      clock.advance(2)
    }
    recorder.end()
    expect(written.slice(0, 2).map(({ at }) => at)).toEqual([0, 0])
    const times = written.slice(1, -1).map(({ at }) => at)
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(writeInterval)
    expect(written.length).toBeLessThan(12)
    expect(deltas()[0]).toBe('0 ')
    expect(deltas().join('')).toBe(Array.from({ length: 100 }, (_, i) => `${i} `).join(''))
  })

  it('comes after the interval, though nothing more is said', () => {
    const { clock, recorder, written } = open()
    recorder.add([{ type: 'text', text: 'one' }])
    recorder.add([{ type: 'text', text: 'two' }])
    expect(written).toHaveLength(1)
    clock.advance(writeInterval)
    expect(written).toHaveLength(2)
    expect(clock.timers).toBe(0)
  })

  it('is the text that is stored, byte by byte', () => {
    const { clock, recorder, written, stored } = open()
    recorder.start(begunExecution())
    recorder.add([
      { type: 'reasoning', text: 'Hm \u2028 "quoted"' },
      { type: 'text', text: 'é🎈\n' },
    ])
    clock.advance(100)
    recorder.add([{ type: 'text', text: '' }])
    recorder.end()
    const text = written.map((write) => write.text).join('')
    expect(text).toBe(eventsText(1, stored))
    expect(readEvents(text).at(-1)?.id).toBe(recorder.position.id)
  })

  it('is stored with the first words only, so that a failure before them costs no call', () => {
    const { recorder, written, stored } = open()
    recorder.start(begunExecution())
    expect(written).toHaveLength(1)
    expect(stored).toEqual([])
    recorder.end()
    expect(stored).toHaveLength(2)
  })

  it('comes at the end, all of it at once, when the answer is not live', () => {
    const { clock, recorder, written, stored, deltas } = open(false)
    recorder.add([{ type: 'text', text: 'one' }])
    clock.advance(1_000)
    recorder.add([{ type: 'text', text: ' two' }])
    expect({ timers: clock.timers, written, stored }).toEqual({
      timers: 0,
      written: [],
      stored: [],
    })
    recorder.end()
    expect(deltas()).toEqual(['one two'])
    expect(written).toHaveLength(1)
  })
})
