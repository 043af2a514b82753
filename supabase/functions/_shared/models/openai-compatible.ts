import { stringOf } from '../json.ts'
import type { ModelAdapter, WireRequest } from './model-adapter.ts'
import { readEmbeddings, readEmbeddingUsage, toEmbeddingRequest } from './openai-embeddings.ts'
import { OpenAiDecoder } from './openai-decoder.ts'
import { toChatCompletionRequest } from './openai-request.ts'
import { parseBaseUrl } from './parse-base-url.ts'

export const OPENROUTER_BASE_URL = 'https://openrouter.ai/api/v1'

export interface OpenAiCompatibleConfiguration {
  /** Everything before `/chat/completions` and `/embeddings`. */
  baseUrl: string
  /** Absent for services without authentication, such as one on this machine. */
  apiKey?: string
}

export interface OpenRouterConfiguration {
  apiKey: string
  baseUrl?: string
  /** Shown in OpenRouter's rankings; sent as HTTP-Referer and X-Title. */
  referer?: string
  title?: string
}

/** OpenRouter (https://openrouter.ai/docs/api-reference). */
export function createOpenRouterAdapter(configuration: OpenRouterConfiguration): ModelAdapter {
  const { apiKey, baseUrl = OPENROUTER_BASE_URL, referer, title } = configuration
  const headers: Record<string, string> = {}
  if (referer !== undefined) headers['http-referer'] = referer
  if (title !== undefined) headers['x-title'] = title
  return createAdapter('openrouter', { baseUrl, apiKey }, headers)
}

/** Any service with OpenAI's chat completions, and embeddings where it has them. @throws TypeError for an invalid base URL */
export function createOpenAiCompatibleAdapter(
  configuration: OpenAiCompatibleConfiguration,
): ModelAdapter {
  return createAdapter('openai-compatible', configuration, {})
}

function createAdapter(
  provider: 'openrouter' | 'openai-compatible',
  { baseUrl, apiKey }: OpenAiCompatibleConfiguration,
  extraHeaders: Record<string, string>,
): ModelAdapter {
  const base = parseBaseUrl(baseUrl)
  const dialect = { provider, openRouter: provider === 'openrouter' }
  const credentials: Record<string, string> =
    apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  return {
    provider,
    async prepare(request, mode): Promise<WireRequest> {
      const stream = mode === 'stream'
      return {
        url: request.embed ? `${base}/embeddings` : `${base}/chat/completions`,
        headers: {
          'content-type': 'application/json',
          accept: stream ? 'text/event-stream' : 'application/json',
          ...credentials,
          ...extraHeaders,
        },
        body: JSON.stringify(
          request.embed
            ? toEmbeddingRequest(request.model, request.embed)
            : toChatCompletionRequest(request, stream, dialect),
        ),
      }
    },
    createDecoder: (request) => new OpenAiDecoder(provider, request.model),
    decodeAnswer(body, request, answer) {
      new OpenAiDecoder(provider, request.model).decodeAnswer(body, answer)
    },
    embeddings: {
      batches: (_, embed) => [embed],
      usageOf: readEmbeddingUsage,
      read: readEmbeddings,
    },
    requestIdOf: (headers) => stringOf(headers.get('x-generation-id')),
    secrets: () => (apiKey === undefined ? [] : [apiKey]),
  }
}
