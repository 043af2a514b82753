import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelError } from '../../../supabase/functions/_shared/models/model-error.ts'
import { delta, openRouterFrames, TEXT, vertexFrames } from './recorded.ts'
import { collect, encode, fetchOf, openRouter, splitAt } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

const offsets = fc.array(fc.nat(4_000), { maxLength: 40 })

describe.each([
  ['an OpenRouter stream', openRouterFrames, openRouter],
  ['a Vertex AI stream', vertexFrames, vertexAdapter],
])('%s', (_, frames, adapterOf) => {
  const bytes = encode(frames.join(''))
  const adapter = adapterOf('http://x')

  it('is the same answer however its bytes are split', async () => {
    const whole = await collect(adapter, { fetch: fetchOf([bytes]) })
    expect(whole.answer.content).toBe(TEXT)
    await fc.assert(
      fc.asyncProperty(offsets, async (cuts) => {
        const { answer, batches, error } = await collect(adapter, {
          fetch: fetchOf(splitAt(bytes, cuts)),
        })
        expect(error).toBeNull()
        expect(answer).toEqual(whole.answer)
        expect(batches.every((batch) => batch.length > 0)).toBe(true)
        // A first batch of nothing but `start` would commit a caller to a route for nothing.
        expect(batches[0]?.length).toBeGreaterThan(1)
      }),
      { numRuns: 300 },
    )
  })

  it('with any bytes in its middle is an answer or an error, never both', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.nat(4_000), async (junk, at) => {
        const [head = bytes, tail = bytes] = splitAt(bytes, [at])
        const { batches, error } = await collect(adapter, { fetch: fetchOf([head, junk, tail]) })
        const finishes = batches.flat().filter(({ type }) => type === 'finish').length
        expect(finishes).toBe(error === null ? 1 : 0)
        if (error !== null) expect(error).toBeInstanceOf(ModelError)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('any JSON in a frame', () => {
  it.each([
    ['OpenRouter', openRouter('http://x')],
    ['Vertex AI', vertexAdapter('http://x')],
  ])('of %s is taken or refused as the provider’s fault, never a defect', async (_, adapter) => {
    const key = fc.constantFrom(
      ...[
        'choices',
        'delta',
        'content',
        'finish_reason',
        'tool_calls',
        'function',
        'usage',
        'error',
      ],
      ...[
        'candidates',
        'parts',
        'text',
        'finishReason',
        'usageMetadata',
        'promptFeedback',
        'index',
      ],
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie('tree'), { maxLength: 2 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
      ),
    }))
    const frames = fc.array(fc.dictionary(key, tree, { maxKeys: 4 }), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(frames, async (bodies) => {
        const chunks = bodies.map((body) => encode(`data: ${JSON.stringify(body)}\n\n`))
        const { error } = await collect(adapter, {
          fetch: fetchOf([encode(delta('a')), ...chunks]),
        })
        if (error !== null) expect(error).toBeInstanceOf(ModelError)
      }),
      { numRuns: 2_000 },
    )
  })
})
