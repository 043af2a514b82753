/** One answer as 200 frames of one word each, in the shapes that providers send. */
export const CHUNKS = 200
export const WORD = 'lorem ipsum '

function frameOf(vertex: boolean, index: number): string {
  const last = index === CHUNKS - 1
  if (vertex) {
    const content = { role: 'model', parts: [{ text: WORD }] }
    const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: index, totalTokenCount: 9 }
    const candidates = [{ content, ...(last ? { finishReason: 'STOP' } : {}) }]
    return `data: ${JSON.stringify({ candidates, usageMetadata, modelVersion: 'gemini' })}\r\n\r\n`
  }
  const body = {
    id: 'gen-1763630000-abcdefghijklmnop',
    provider: 'OpenAI',
    model: 'openai/gpt-4',
    object: 'chat.completion.chunk',
    created: 1763630000,
    choices: [
      {
        index: 0,
        delta: { role: 'assistant', content: WORD },
        finish_reason: last ? 'stop' : null,
        native_finish_reason: last ? 'stop' : null,
        logprobs: null,
      },
    ],
  }
  return `data: ${JSON.stringify(body)}\n\n${last ? 'data: [DONE]\n\n' : ''}`
}

export function framesOf(vertex: boolean): string[] {
  return Array.from({ length: CHUNKS }, (_, index) => frameOf(vertex, index))
}
