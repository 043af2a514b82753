import { LLMock } from '@copilotkit/aimock'

import { isSlow, sayTo } from './local-answers.ts'
import { localEmbeddings } from './local-embeddings.ts'
import { startVertexTokenServer } from './vertex-token-server.ts'

export interface ModelServer {
  url: string
  /** Values for the functions' own variables, by provider. */
  openrouter: { OPENROUTER_API_KEY: string; OPENROUTER_BASE_URL: string }
  vertex: {
    VERTEX_PROJECT: string
    VERTEX_LOCATION: string
    VERTEX_SERVICE_ACCOUNT: string
    VERTEX_BASE_URL: string
  }
  close(): Promise<void>
}

export interface ModelServerOptions {
  /** PKCS #8 PEM of the service account. */
  serviceAccountKey: string
  /** Milliseconds between two chunks of a streamed answer. */
  chunkDelayMs?: number
}

const OPENROUTER_KEY = 'sk-or-v1-local-model-server'
const ACCESS_TOKEN = 'ya29.local-model-server'
const PROJECT = 'local-model-server'

/**
 * A local server with the wire protocols of OpenRouter and Vertex AI. It knows no model: its answers
 * say so and repeat the question, or show what a page has to show, when the question asks for it; its
 * vectors are of letters, by the model `local-model-server`. It refuses requests without the key or token
 * it hands out.
 */
export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const mock = new LLMock({
    port: 0,
    host: '127.0.0.1',
    chunkSize: 16,
    latency: options.chunkDelayMs ?? 12,
    auth: { apiKeys: [OPENROUTER_KEY, ACCESS_TOKEN] },
  })
  // Some seconds, as a model takes for a long answer.
  mock.on({ predicate: isSlow }, sayTo, { latency: (options.chunkDelayMs ?? 12) * 4 })
  mock.on({ predicate: () => true }, sayTo)
  // Its own embeddings give all texts of a request one vector.
  mock.mount('/api/v1/embeddings', localEmbeddings).mount('/v1/projects', localEmbeddings)
  await mock.start()
  const tokens = await startVertexTokenServer(options.serviceAccountKey, PROJECT, ACCESS_TOKEN)
  return {
    url: mock.url,
    openrouter: {
      OPENROUTER_API_KEY: OPENROUTER_KEY,
      OPENROUTER_BASE_URL: `${mock.url}/api/v1`,
    },
    vertex: {
      VERTEX_PROJECT: PROJECT,
      VERTEX_LOCATION: 'us-central1',
      VERTEX_SERVICE_ACCOUNT: tokens.serviceAccount,
      VERTEX_BASE_URL: mock.url,
    },
    async close() {
      await Promise.all([mock.stop(), tokens.close()])
    },
  }
}
