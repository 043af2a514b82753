import { LLMock } from '@copilotkit/aimock'

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
 * say so and repeat the question. It refuses requests without the key or token it hands out.
 */
export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const mock = new LLMock({
    port: 0,
    host: '127.0.0.1',
    chunkSize: 16,
    latency: options.chunkDelayMs ?? 12,
    auth: { apiKeys: [OPENROUTER_KEY, ACCESS_TOKEN] },
  })
  mock.on({ predicate: () => true }, (request) => {
    const question = lastQuestion(request.messages)
    const content = answerTo(question, request.model)
    return { content, usage: countTokens(request.messages, content) }
  })
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

/** The text of an answer, which must not be mistaken for a model's. */
export function answerTo(question: string, model: string): string {
  const shown = question.length > 200 ? `${question.slice(0, 200)}…` : question
  return (
    `This is a local model server, not a real model: no provider key is configured, so nothing ` +
    `was sent to ${model}. You asked: "${shown}" ` +
    `Set OPENROUTER_API_KEY or VERTEX_SERVICE_ACCOUNT and start again to get real answers.`
  )
}

interface Message {
  role: string
  content: string | { type: string; text?: string }[] | null
}

function textOf({ content }: Message): string {
  if (content === null) return ''
  if (typeof content === 'string') return content
  return content.map((part) => part.text ?? '').join('')
}

function lastQuestion(messages: Message[]): string {
  const question = messages.findLast(({ role }) => role === 'user')
  return question === undefined ? '' : textOf(question)
}

/** About four characters to a token, in the names of both protocols. */
function countTokens(messages: Message[], answer: string) {
  const count = (text: string) => Math.max(1, Math.ceil(text.length / 4))
  const input = messages.reduce((sum, message) => sum + count(textOf(message)), 0)
  const output = count(answer)
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    promptTokenCount: input,
    candidatesTokenCount: output,
    totalTokenCount: input + output,
  }
}
