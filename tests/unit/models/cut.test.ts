import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelAdapter } from '../../../supabase/functions/_shared/models/model-adapter.ts'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { eventStream, type Framing } from '../../support/agents/raw-http.ts'
import { type RawProvider, startRawProvider } from '../../support/agents/raw-provider.ts'
import { finishFrame, openRouterFrames, TEXT, vertexFrames } from './recorded.ts'
import { collect, openRouter, type Outcome } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

let provider: RawProvider
beforeAll(async () => {
  provider = await startRawProvider()
})
afterAll(() => provider.close())

const PARALLEL = 12

/** Asks once for each offset at which the body is cut; the offset travels in the path. */
async function cutAll(
  frames: readonly string[],
  framing: Framing,
  adapterOf: (url: string) => ModelAdapter,
  offsets: readonly number[],
): Promise<(readonly [offset: number, Outcome])[]> {
  provider.respond(({ path }) => {
    const cutAt = Number(/^\/cut\/(\d+)\//.exec(path)?.[1])
    return eventStream(frames, { framing, cutAt })
  })
  const outcomes: (readonly [number, Outcome])[] = []
  const left = [...offsets]
  const worker = async (): Promise<void> => {
    for (let offset = left.pop(); offset !== undefined; offset = left.pop()) {
      outcomes.push([offset, await collect(adapterOf(`${provider.url}/cut/${offset}`))])
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return outcomes
}

function expectTruth(outcome: Outcome, complete: boolean, offset: number): void {
  const { answer, batches, error } = outcome
  const finishes = batches.flat().filter(({ type }) => type === 'finish').length
  if (complete) {
    expect({ offset, error, content: answer.content }).toEqual({
      offset,
      error: null,
      content: TEXT,
    })
    expect(answer.finish?.reason).toBe('stop')
    expect(finishes).toBe(1)
    expect(batches.at(-1)?.at(-1)?.type).toBe('finish')
    return
  }
  expect({ offset, finishes }).toEqual({ offset, finishes: 0 })
  expect(TEXT.startsWith(answer.content)).toBe(true)
  expect(error).toBeInstanceOf(ModelError)
  const { code, fault, outputSeen } = error as ModelError
  expect({ offset, code, fault }).toEqual({
    offset,
    code: 'provider_stream_truncated',
    fault: 'provider',
  })
  // What was seen and what the error says agree, so a retry never repeats output.
  expect(outputSeen).toBe(answer.parts.length > 0)
}

const cases: [string, readonly string[], (url: string) => ModelAdapter, number][] = [
  [
    'an OpenRouter stream',
    openRouterFrames,
    openRouter,
    Buffer.byteLength(
      openRouterFrames.slice(0, openRouterFrames.indexOf(finishFrame) + 1).join(''),
    ),
  ],
  // The CR of the last line already ends the last event.
  ['a Vertex AI stream', vertexFrames, vertexAdapter, Buffer.byteLength(vertexFrames.join('')) - 1],
]

describe.each(cases)('%s cut anywhere', (_, frames, adapterOf, completeFrom) => {
  const length = Buffer.byteLength(frames.join(''))
  const everywhere = Array.from({ length: length + 1 }, (_, offset) => offset)

  // The framing ends before the decoder begins: at every byte once, and around the truth twice.
  it.each<[string, Framing, (offset: number) => boolean]>([
    ['at every byte', 'chunked', () => true],
    ['near its finish reason and its end', 'close', near],
  ])(
    'is complete from the finish reason on and an error before it: %s (%s)',
    { timeout: 120_000 },
    async (_where, framing, isTried) => {
      const offsets = everywhere.filter(isTried)
      const outcomes = await cutAll(frames, framing, adapterOf, offsets)
      expect(outcomes).toHaveLength(offsets.length)
      for (const [offset, outcome] of outcomes) {
        expectTruth(outcome, offset >= completeFrom, offset)
      }
      const whole = outcomes.find(([offset]) => offset === length)
      expect(whole?.[1].answer.usage?.totalTokens).toBe(21)
    },
  )

  function near(offset: number): boolean {
    return Math.abs(offset - completeFrom) < 50 || length - offset < 50 || offset % 16 === 0
  }
})
