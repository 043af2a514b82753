import { describe, expect, it } from 'vitest'
import { embedModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import type { EmbeddingInput } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { request } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

interface Sent {
  url: string
  body: {
    instances?: { content: string }[]
    content?: { parts: { text: string }[] }
    parameters?: object
  }
}

/** Vertex AI as its reference describes it: a vector is the length of its text. */
function vertex(answer?: (sent: Sent) => Response | undefined) {
  const sent: Sent[] = []
  const fetch = (target: Parameters<typeof globalThis.fetch>[0], init?: RequestInit) => {
    const one = { url: target as string, body: JSON.parse(init?.body as string) as Sent['body'] }
    sent.push(one)
    const { instances, content } = one.body
    const given = answer?.(one)
    if (given) return Promise.resolve(given)
    if (content) {
      const { text = '' } = content.parts[0] ?? {}
      const usageMetadata = { promptTokenCount: text.length, totalTokenCount: text.length }
      return Promise.resolve(
        Response.json({ embedding: { values: [text.length, 1] }, usageMetadata }),
      )
    }
    const predictions = (instances ?? []).map(({ content: text }) => ({
      embeddings: {
        values: [text.length, 1],
        statistics: { truncated: false, token_count: text.length },
      },
    }))
    return Promise.resolve(Response.json({ predictions, metadata: { billableCharacterCount: 9 } }))
  }
  const embed = (
    model: string,
    input: EmbeddingInput['input'],
    rest: Partial<EmbeddingInput> = {},
  ) =>
    embedModel(
      vertexAdapter('http://x'),
      { ...request, model, embed: { input, encoding: 'float', ...rest } },
      { fetch },
    )
  return { sent, embed }
}

describe('vectors of Vertex AI', () => {
  it('come from :predict, for all texts at once, with the tokens of all', async () => {
    const { sent, embed } = vertex()
    const answer = await embed('text-embedding-005', ['a', 'bbb'], { dimensions: 2 })
    expect(answer.vectors).toEqual([
      [1, 1],
      [3, 1],
    ])
    expect(answer.usage).toMatchObject({ inputTokens: 4, outputTokens: 0, totalTokens: 4 })
    expect(sent).toEqual([
      {
        url: 'http://x/v1/projects/colloquy-test/locations/us-central1/publishers/google/models/text-embedding-005:predict',
        body: {
          instances: [{ content: 'a' }, { content: 'bbb' }],
          parameters: { autoTruncate: false, outputDimensionality: 2 },
        },
      },
    ])
  })

  it.each([
    ['gemini-embedding-001', 'predict'],
    ['gemini-embedding-2', 'embedContent'],
  ])('of %s come one by one, in the order of the texts', async (model, method) => {
    const { sent, embed } = vertex()
    const texts = Array.from({ length: 30 }, (_, index) => 'x'.repeat(index + 1))
    const { vectors, usage } = await embed(model, texts)
    expect(vectors).toEqual(texts.map(({ length }) => [length, 1]))
    expect(usage?.inputTokens).toBe((30 * 31) / 2)
    expect(sent).toHaveLength(30)
    expect(sent.every(({ url }) => url.endsWith(`:${method}`))).toBe(true)
  })

  it('come in as many requests as their texts are too long for one', async () => {
    const { sent, embed } = vertex()
    const texts = Array.from({ length: 600 }, (_, index) => 'x'.repeat((index % 7) * 50 + 1))
    const { vectors } = await embed('text-embedding-005', texts)
    expect(vectors).toEqual(texts.map(({ length }) => [length, 1]))
    for (const { body } of sent) {
      expect(body.instances?.length).toBeLessThanOrEqual(250)
      expect(JSON.stringify(body).length).toBeLessThan(60_000)
    }
  })

  it('that fail in one of several requests are charged by what the others used', async () => {
    const { sent, embed } = vertex(({ body }) =>
      body.instances?.[0]?.content === 'b' ? Response.json({ predictions: [] }) : undefined,
    )
    await expect(embed('gemini-embedding-001', ['aaa', 'b'])).rejects.toMatchObject({
      code: 'provider_malformed_response',
      usage: null,
    })
    expect(sent).toHaveLength(2)
    const refused = vertex(({ body }) =>
      body.instances?.[0]?.content === 'b'
        ? Response.json({ error: { code: 400, status: 'INVALID_ARGUMENT' } }, { status: 400 })
        : undefined,
    )
    await expect(refused.embed('gemini-embedding-001', ['aaa', 'b'])).rejects.toMatchObject({
      code: 'provider_rejected_request',
      usage: { inputTokens: 3 },
    })
  })

  it('are refused for tokens, and for another number or another size than asked for', async () => {
    const { sent, embed } = vertex()
    await expect(embed('text-embedding-005', [[1, 2]])).rejects.toMatchObject({
      code: 'provider_rejected_request',
    })
    expect(sent).toEqual([])
    await expect(embed('text-embedding-005', ['a'], { dimensions: 3 })).rejects.toMatchObject({
      code: 'provider_malformed_response',
    })
  })
})
