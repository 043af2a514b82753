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

/** Asks once for every offset at which the body can be cut; the offset travels in the path. */
async function cutEverywhere(
  frames: readonly string[],
  framing: Framing,
  adapterOf: (url: string) => ModelAdapter,
  length: number,
): Promise<Outcome[]> {
  provider.respond(({ path }) => {
    const cutAt = Number(/^\/cut\/(\d+)\//.exec(path)?.[1])
    return eventStream(frames, { framing, cutAt })
  })
  const outcomes: Outcome[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (;;) {
      const offset = next
      next += 1
      if (offset > length) return
      outcomes[offset] = await collect(adapterOf(`${provider.url}/cut/${offset}`))
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

describe.each(cases)('%s cut at every byte', (_, frames, adapterOf, completeFrom) => {
  const length = Buffer.byteLength(frames.join(''))

  it.each(['close', 'chunked'] as const)(
    'is complete from the finish reason on and an error before it (%s)',
    { timeout: 60_000 },
    async (framing) => {
      const outcomes = await cutEverywhere(frames, framing, adapterOf, length)
      expect(outcomes).toHaveLength(length + 1)
      for (const [offset, outcome] of outcomes.entries()) {
        expectTruth(outcome, offset >= completeFrom, offset)
      }
      expect(outcomes.at(-1)?.answer.usage?.totalTokens).toBe(21)
    },
  )
})
