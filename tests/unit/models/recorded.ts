/** Streams as the providers send them, one frame per entry, with the answer they stand for. */

const chunk = (
  choice: Record<string, unknown> | null,
  rest: Record<string, unknown> = {},
): string => {
  const choices = choice === null ? [] : [{ index: 0, finish_reason: null, ...choice }]
  return `data: ${JSON.stringify({ id: 'gen-1', model: 'openai/gpt-4', choices, ...rest })}\n\n`
}

export const delta = (content: string): string => chunk({ delta: { content } })
export const finishFrame = chunk({ delta: { content: '' }, finish_reason: 'stop' })
export const usageFrame = chunk(null, {
  usage: {
    prompt_tokens: 12,
    completion_tokens: 9,
    total_tokens: 21,
    prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
    completion_tokens_details: { reasoning_tokens: 3 },
    cost: 0.00042,
  },
})
export const doneFrame = 'data: [DONE]\n\n'
export const TEXT = 'Grüße 😀, wie geht es?'

export const openRouterFrames = [
  ': OPENROUTER PROCESSING\n\n',
  chunk({ delta: { role: 'assistant', content: '' } }),
  chunk({ delta: { reasoning: 'Höflich.' } }),
  delta('Grüße 😀, '),
  ': OPENROUTER PROCESSING\n\n',
  delta('wie geht'),
  delta(' es?'),
  finishFrame,
  usageFrame,
  doneFrame,
]

const candidate = (text: string, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, ...rest }],
  modelVersion: 'gemini-1.5-pro-002',
  responseId: 'resp-1',
})

export const vertexFrame = (body: unknown): string => `data: ${JSON.stringify(body)}\r\n\r\n`

/** Vertex AI ends its lines with CRLF and has no end mark. */
export const vertexFrames = [
  vertexFrame({
    candidates: [{ content: { role: 'model', parts: [{ text: 'Höflich.', thought: true }] } }],
    usageMetadata: { promptTokenCount: 12, totalTokenCount: 12 },
    modelVersion: 'gemini-1.5-pro-002',
    responseId: 'resp-1',
  }),
  vertexFrame(candidate('Grüße 😀, ')),
  vertexFrame(candidate('wie geht')),
  vertexFrame({
    ...candidate(' es?', { finishReason: 'STOP' }),
    usageMetadata: {
      promptTokenCount: 12,
      candidatesTokenCount: 6,
      thoughtsTokenCount: 3,
      totalTokenCount: 21,
      cachedContentTokenCount: 4,
    },
  }),
]
