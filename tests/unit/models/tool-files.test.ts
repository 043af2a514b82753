import { expect, it } from 'vitest'
import type { ModelRequest } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { toChatCompletionRequest } from '../../../supabase/functions/_shared/models/openai-request.ts'
import { toGenerateContentRequest } from '../../../supabase/functions/_shared/models/vertex-request.ts'

const url = 'data:image/png;base64,AAAA'
const call = (id: string) => ({ type: 'tool_call', id, name: 'see', arguments: '{}' }) as const
const result = (id: string) =>
  ({ type: 'tool_result', tool_call_id: id, name: 'see', content: `text of ${id}` }) as const
const request: ModelRequest = {
  ...{ model: 'm', systemPrompts: [], params: {}, config: {} },
  messages: [
    { role: 'user', content: 'Look.' },
    { role: 'assistant', content: '', parts: [call('a'), call('b')] },
    {
      role: 'tool',
      content: '',
      parts: [
        { ...result('a'), files: [{ type: 'image', url, media_type: 'image/png' }] },
        result('b'),
      ],
    },
  ],
}

it('images of tools follow their results: all results of a round first, for chat completions', () => {
  const { messages } = toChatCompletionRequest(request, false, {
    provider: 'openrouter',
    openRouter: true,
  })
  expect((messages as unknown[]).slice(2)).toEqual([
    { role: 'tool', tool_call_id: 'a', content: 'text of a' },
    { role: 'tool', tool_call_id: 'b', content: 'text of b' },
    {
      role: 'user',
      content: [
        { type: 'text', text: '[What the tool call a (see) returned, in order:]' },
        { type: 'image_url', image_url: { url } },
      ],
    },
  ])
})

it('images of tools follow their results, for Gemini in the same content', () => {
  const { contents } = toGenerateContentRequest(request)
  expect((contents as unknown[]).at(-1)).toEqual({
    role: 'user',
    parts: [
      { functionResponse: { name: 'see', response: { result: 'text of a' } } },
      { functionResponse: { name: 'see', response: { result: 'text of b' } } },
      { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
    ],
  })
})
