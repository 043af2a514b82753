import { expect, test } from 'vitest'
import { embeddingOf } from '../../../../dev/functions/local-embeddings.ts'

const cosine = (a: string, b: string) => {
  const other = embeddingOf(b)
  return embeddingOf(a).reduce((sum, number, at) => sum + number * (other[at] ?? 0), 0)
}

test('a text is nearer to one with its words, or forms of them, than to one with neither', () => {
  const query = 'refund of the invoice'
  expect(cosine(query, query)).toBeCloseTo(1)
  expect(cosine(query, 'the invoices were refunded')).toBeGreaterThan(
    cosine(query, 'a dog sleeps under a tree'),
  )
})

test('every text has a vector of the asked size and of length 1', () => {
  for (const text of ['', ' ', '🙂', '東京', 'a', 'x'.repeat(10_000), '\ud800']) {
    for (const size of [1, 8, 256]) {
      const vector = embeddingOf(text, size)
      expect(vector).toHaveLength(size)
      expect(Math.hypot(...vector)).toBeCloseTo(1)
    }
  }
})
