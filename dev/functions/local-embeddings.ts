import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What answers call the model: no real one. */
export const LOCAL_MODEL = 'local-model-server'

const SIZE = 256
const MAX_BODY_BYTES = 16 * 1024 * 1024

/**
 * A vector of the words of a text and of their letters, three at a time. It knows no meaning: texts are
 * near that share words, or forms of them.
 */
export function embeddingOf(text: string, size = SIZE): number[] {
  const vector = new Array<number>(size).fill(0)
  const add = (feature: string, weight: number) => {
    const hash = createHash('sha256').update(feature).digest().readUInt32BE()
    const at = hash % size
    vector[at] = (vector[at] ?? 0) + (hash & 0x8000_0000 ? weight : -weight)
  }
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    add(word, 2)
    const letters = [...` ${word} `]
    for (let at = 0; at + 3 <= letters.length; at += 1) add(letters.slice(at, at + 3).join(''), 1)
  }
  // A text without a word has a vector too.
  if (vector.every((number) => number === 0)) add('', 1)
  const length = Math.hypot(...vector)
  return vector.map((number) => number / length)
}

const tokensOf = (text: string) => Math.max(1, Math.ceil(text.length / 4))

/** The embeddings of OpenRouter's protocol and of both methods of Vertex AI. */
export const localEmbeddings = {
  async handleRequest(request: IncomingMessage, response: ServerResponse, path: string) {
    const answer = path === '/' ? openAiAnswer : vertexAnswers[/:(\w+)$/.exec(path)?.[1] ?? '']
    if (request.method !== 'POST' || answer === undefined) return false
    const body = JSON.stringify(answer(JSON.parse(await readBody(request)) as Body))
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    return true
  },
}

interface Body {
  readonly input?: string | readonly unknown[]
  readonly dimensions?: number
  readonly instances?: readonly { readonly content: string }[]
  readonly content?: { readonly parts: readonly { readonly text: string }[] }
  readonly parameters?: { readonly outputDimensionality?: number }
  readonly outputDimensionality?: number
}

function openAiAnswer({ input = [], dimensions }: Body): object {
  const texts = (Array.isArray(input) ? input : [input]).map(String)
  const tokens = texts.reduce((sum, text) => sum + tokensOf(text), 0)
  return {
    object: 'list',
    model: LOCAL_MODEL,
    data: texts.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: embeddingOf(text, dimensions),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

const vertexAnswers: Readonly<Record<string, (body: Body) => object>> = {
  predict: ({ instances = [], parameters }) => ({
    predictions: instances.map(({ content }) => ({
      embeddings: {
        values: embeddingOf(content, parameters?.outputDimensionality),
        statistics: { token_count: tokensOf(content), truncated: false },
      },
    })),
  }),
  embedContent: ({ content, outputDimensionality }) => {
    const text = content?.parts.map((part) => part.text).join('') ?? ''
    return {
      modelVersion: LOCAL_MODEL,
      embedding: { values: embeddingOf(text, outputDimensionality) },
      usageMetadata: { promptTokenCount: tokensOf(text) },
    }
  },
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).byteLength
    if (size > MAX_BODY_BYTES) throw new Error('the body is too long')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}
