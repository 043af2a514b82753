import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { streamModel } from '../../../supabase/functions/_shared/models/stream-model.ts'
import { ManualClock } from '../../support/clocks.ts'
import { delta, doneFrame, finishFrame } from './recorded.ts'
import { encode, openRouter, request } from './support.ts'

const readInterval = 100

/** A thing that a provider sends, and after how many milliseconds. */
interface Sent {
  readonly at: number
  readonly frame: string
}

/** Lets everything go on that waits for nothing but other promises. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A provider on the test's clock. Each read of its body takes all that has come, as a socket's does. */
function provider(clock: ManualClock, sent: readonly Sent[], end: { at: number; error?: Error }) {
  const began = clock.now()
  const reads: number[] = []
  let given = 0
  let wake: (() => void) | null = null
  let aborted: unknown
  for (const { at } of [...sent, end]) clock.setTimeout(() => wake?.(), at)
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          if (aborted !== undefined) return controller.error(aborted)
          const now = clock.now() - began
          const come = sent.filter(({ at }, index) => index >= given && at <= now)
          given += come.length
          if (come.length > 0) {
            reads.push(now)
            return controller.enqueue(encode(come.map(({ frame }) => frame).join('')))
          }
          if (now >= end.at) return end.error ? controller.error(end.error) : controller.close()
          await new Promise<void>((resolve) => (wake = resolve))
        }
      },
    },
    { highWaterMark: 0 },
  )
  const headers = { 'content-type': 'text/event-stream' }
  const send: typeof fetch = (_, init) => {
    init?.signal?.addEventListener('abort', () => {
      aborted = init.signal?.reason
      wake?.()
    })
    return Promise.resolve(new Response(body, { headers }))
  }
  return { fetch: send, reads }
}

async function speak(sent: readonly Sent[], end: { at: number; error?: Error }, stopAt?: number) {
  const clock = new ManualClock(0)
  const { fetch: send, reads } = provider(clock, sent, end)
  const heard: { text: string; at: number }[] = []
  const stop = new AbortController()
  let over: { at: number; error?: unknown } | null = null
  const options = { fetch: send, clock, readInterval, signal: stop.signal }
  const take: Parameters<typeof streamModel>[2] = (events) => {
    for (const event of events) {
      if (event.type === 'text') heard.push({ text: event.text, at: clock.now() })
    }
  }
  void streamModel(openRouter('http://x'), request, take, options).then(
    () => (over = { at: clock.now() }),
    (error: unknown) => (over = { at: clock.now(), error }),
  )
  await settle()
  while (over === null && clock.now() < end.at + 1_000) {
    if (stopAt !== undefined && clock.now() >= stopAt) stop.abort(new Error('stopped'))
    clock.advance(1)
    await settle()
  }
  return { reads, heard, over: over as { at: number; error?: unknown } | null }
}

/** When each character of the provider's was heard, less when it was sent. */
function delays(sent: readonly Sent[], heard: readonly { text: string; at: number }[]): number[] {
  const times = heard.flatMap(({ text, at }) => [...text].map(() => at))
  return sent.map(({ at }, index) => (times[index] ?? Infinity) - at)
}

const words = (times: readonly number[]): Sent[] => times.map((at) => ({ at, frame: delta('x') }))
const finish = (at: number, mark = doneFrame): Sent => ({ at, frame: finishFrame + mark })

describe('a stream that is read at a pace', () => {
  it('gives the first text at once, and each later one within the interval', async () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(
        fc.nat(200),
        gaps,
        fc.constantFrom(doneFrame, ''),
        async (first, between, mark) => {
          const times = [first]
          for (const gap of between) times.push((times.at(-1) ?? 0) + gap)
          const last = times.at(-1) ?? 0
          const sent = words(times)
          const { heard, over } = await speak([...sent, finish(last, mark)], { at: last })
          const waited = delays(sent, heard)
          expect(waited[0]).toBeLessThanOrEqual(1)
          expect(Math.max(...waited)).toBeLessThanOrEqual(readInterval + 1)
          expect(heard.map(({ text }) => text).join('')).toBe('x'.repeat(times.length))
          expect(over).not.toHaveProperty('error')
          expect((over?.at ?? Infinity) - last).toBeLessThanOrEqual(readInterval + 1)
        },
      ),
      { numRuns: 25 },
    )
  })

  it('wakes up ten times a second, not for each of fifty words', async () => {
    const sent = words(Array.from({ length: 250 }, (_, index) => index * 20))
    const { reads } = await speak([...sent, finish(5_000)], { at: 5_000 })
    const late = reads.filter((at) => at >= 1_000 && at < 5_000)
    expect(late.length).toBeLessThanOrEqual(40)
    expect(reads.length).toBeLessThanOrEqual(60)
  })

  it('does not hold back a word that comes alone', async () => {
    const sent = words(Array.from({ length: 12 }, (_, index) => index * 250))
    const { heard } = await speak([...sent, finish(3_000)], { at: 3_000 })
    expect(Math.max(...delays(sent, heard))).toBeLessThanOrEqual(1)
  })

  it('ends a short answer in at most twice its time', async () => {
    const sent = words([0, 2, 4, 6, 8, 10, 12, 14])
    const { over } = await speak([...sent, finish(16)], { at: 16 })
    expect(over?.at).toBeLessThanOrEqual(32)
  })

  it('reads on at once while each read brings much', async () => {
    const frame = delta('y'.repeat(10_000))
    const times = Array.from({ length: 200 }, (_, index) => index)
    const sent = times.map((at) => ({ at, frame }))
    const { heard } = await speak([...sent, finish(200)], { at: 200 })
    expect(Math.max(...heard.slice(1, -1).map(({ at }, index) => at - index - 1))).toBeLessThan(5)
  })

  it('tells with the read after the last text that the connection broke', async () => {
    const sent = words(Array.from({ length: 50 }, (_, index) => index * 20))
    const { over } = await speak(sent, { at: 1_000, error: new Error('reset') })
    expect(over?.error).toBeInstanceOf(ModelError)
    expect(over?.at).toBeLessThanOrEqual(1_000 + 2 * readInterval + 1)
  })

  it('ends at once when its caller gives up in a pause', async () => {
    const sent = words(Array.from({ length: 100 }, (_, index) => index * 20))
    const { over } = await speak(sent, { at: 2_000 }, 1_010)
    expect(over).toMatchObject({ error: { message: 'stopped' } })
    expect(over?.at).toBeLessThanOrEqual(1_012)
  })
})
