import { stringOf } from '../json.ts'
import { abortable } from '../time.ts'
import type { ModelAdapter, WireRequest } from './model-adapter.ts'
import { ModelError } from './model-error.ts'
import { parseBaseUrl } from './parse-base-url.ts'
import { parseServiceAccount } from './service-account.ts'
import { VertexDecoder } from './vertex-decoder.ts'
import {
  embeddingMethod,
  readVertexEmbeddings,
  readVertexEmbeddingUsage,
  toVertexBatches,
  toVertexEmbeddingRequest,
} from './vertex-embeddings.ts'
import { toGenerateContentRequest, VERTEX_PROVIDER } from './vertex-request.ts'
import { ServiceAccountTokens } from './vertex-token.ts'

export const VERTEX_DEFAULT_LOCATION = 'us-central1'

export interface VertexConfiguration {
  /** The Google Cloud project; the service account's own when absent. */
  project?: string
  /** Decides where content is processed, so it wins over the location in a route. */
  location?: string
  /** The JSON of the service account's key file. */
  serviceAccount: string
  /** Everything before `/v1/projects/`; the location's own endpoint when absent. */
  baseUrl?: string
}

/**
 * Gemini on Vertex AI (cloud.google.com/vertex-ai/generative-ai/docs/reference/rest).
 *
 * @throws TypeError for an invalid configuration, naming the field
 */
export function createVertexAdapter(configuration: VertexConfiguration): ModelAdapter {
  const account = parseServiceAccount(configuration.serviceAccount)
  const tokens = new ServiceAccountTokens(account)
  const project = configuration.project ?? account.projectId
  if (project === null) throw new TypeError('Vertex AI has no project')
  const { baseUrl } = configuration
  const base = baseUrl === undefined ? undefined : parseBaseUrl(baseUrl)
  return {
    provider: VERTEX_PROVIDER,
    async prepare(request, mode, context): Promise<WireRequest> {
      const location = locationOf(configuration.location ?? request.config['location'])
      const { embed, model } = request
      const body = embed
        ? toVertexEmbeddingRequest(model, embed)
        : toGenerateContentRequest(request)
      const token = await abortable(tokens.token(context), context.signal)
      const answer = mode === 'stream' ? 'streamGenerateContent?alt=sse' : 'generateContent'
      const method = embed ? embeddingMethod(model) : answer
      const path = [
        `projects/${encodeURIComponent(project)}`,
        `locations/${location}`,
        `publishers/google/models/${encodeURIComponent(model)}:${method}`,
      ].join('/')
      return {
        url: `${base ?? endpointOf(location)}/v1/${path}`,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      }
    },
    createDecoder: (request) => new VertexDecoder(request.model),
    decodeAnswer(body, request, answer) {
      new VertexDecoder(request.model).decodeAnswer(body, answer)
    },
    embeddings: {
      batches: toVertexBatches,
      usageOf: readVertexEmbeddingUsage,
      read: readVertexEmbeddings,
    },
    requestIdOf: () => null,
    secrets: () => tokens.secrets(),
    credentialRefused: () => tokens.forget(),
  }
}

/** A location comes from a row and becomes part of a host name: nothing but a location passes. */
function locationOf(value: unknown): string {
  const location = value === undefined ? VERTEX_DEFAULT_LOCATION : stringOf(value)
  if (location !== null && /^[a-z][a-z0-9-]{0,62}$/.test(location)) return location
  throw new ModelError('provider_misconfigured', { detail: 'the location is not a location' })
}

function endpointOf(location: string): string {
  if (location === 'global') return 'https://aiplatform.googleapis.com'
  // The multi-regions have hosts of another pattern than the regions.
  if (/^(us|eu)$/.test(location)) return `https://aiplatform.${location}.rep.googleapis.com`
  return `https://${location}-aiplatform.googleapis.com`
}
