import { countOf, isRecord, stringOf } from '../json.ts'
import { ModelError } from './model-error.ts'
import type { EmbeddingInput, ModelUsage } from './model-protocol.ts'
import { type EmbeddingAnswer, toVector } from './openai-embeddings.ts'

type Json = Record<string, unknown>

/** Texts of one request, and characters: a request may have 20,000 tokens, and a token two or more of them. */
const maxTexts = 250
const maxLength = 40_000

/**
 * The method of the API that makes vectors: multimodal Gemini models have one of their own.
 * https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
 */
export function embeddingMethod(model: string): 'predict' | 'embedContent' {
  return /^gemini-embedding-(?!001)/.test(model) ? 'embedContent' : 'predict'
}

/**
 * The requests that a list of texts needs: Gemini's models take one text at a time.
 * @throws ModelError `provider_rejected_request` for tokens, which Vertex AI does not take
 */
export function toVertexBatches(model: string, embed: EmbeddingInput): EmbeddingInput[] {
  const batches: string[][] = []
  let length = Infinity
  const most = model.startsWith('gemini-') ? 1 : maxTexts
  for (const text of embed.input) {
    if (typeof text !== 'string') {
      throw new ModelError('provider_rejected_request', { detail: 'tokens in place of texts' })
    }
    const last = batches.at(-1)
    if (last && last.length < most && length + text.length <= maxLength) {
      last.push(text)
      length += text.length
    } else {
      batches.push([text])
      length = text.length
    }
  }
  return batches.map((input) => ({ ...embed, input }))
}

/** The body of one request. A text that is too long is refused and not cut. */
export function toVertexEmbeddingRequest(
  model: string,
  { input, dimensions }: EmbeddingInput,
): Json {
  const parameters = {
    autoTruncate: false,
    ...(dimensions !== undefined && { outputDimensionality: dimensions }),
  }
  if (embeddingMethod(model) === 'predict') {
    return { instances: input.map((content) => ({ content })), parameters }
  }
  return { content: { role: 'user', parts: [{ text: input[0] }] }, ...parameters }
}

/** What an answer says it used. */
export function readVertexEmbeddingUsage(body: unknown): ModelUsage | null {
  const counts = vectorsOf(body).map(({ tokens }) => tokens)
  const [first = null] = counts
  const input = counts.reduce(
    (sum, count) => (sum === null || count === null ? null : sum + count),
    0,
  )
  if (first === null || input === null || input === 0) return null
  return {
    inputTokens: input,
    outputTokens: 0,
    totalTokens: input,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    toolInputTokens: null,
    costUsd: null,
  }
}

/**
 * Reads an answer with one vector for each text.
 * @throws ModelError `provider_malformed_response` for anything else
 */
export function readVertexEmbeddings(body: unknown, asked: EmbeddingInput): EmbeddingAnswer {
  const vectors = vectorsOf(body)
  if (vectors.length !== asked.input.length) {
    const detail = `${vectors.length} vectors for ${asked.input.length} texts`
    throw new ModelError('provider_malformed_response', { detail })
  }
  return {
    requestId: null,
    model: isRecord(body) ? stringOf(body['modelVersion']) : null,
    vectors: vectors.map(({ values }) => toVector(values, asked)),
    usage: readVertexEmbeddingUsage(body),
  }
}

interface Read {
  readonly values: unknown
  readonly tokens: number | null
}

/** The vectors of either method, as they are. */
function vectorsOf(body: unknown): Read[] {
  if (!isRecord(body)) return []
  const { predictions, embedding, usageMetadata: usage } = body
  if (isRecord(embedding)) {
    const tokens = isRecord(usage) ? countOf(usage['promptTokenCount']) : null
    return [{ values: embedding['values'], tokens }]
  }
  return (Array.isArray(predictions) ? (predictions as unknown[]) : []).map((prediction) => {
    const made =
      isRecord(prediction) && isRecord(prediction['embeddings']) ? prediction['embeddings'] : {}
    const statistics = made['statistics']
    const tokens = isRecord(statistics) ? countOf(statistics['token_count']) : null
    return { values: made['values'], tokens }
  })
}
