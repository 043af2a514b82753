import { describe, expect, it } from 'vitest'
import type { ModelRequest } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import {
  createOpenAiCompatibleAdapter,
  createOpenRouterAdapter,
} from '../../../supabase/functions/_shared/models/openai-compatible.ts'
import { toChatCompletionRequest } from '../../../supabase/functions/_shared/models/openai-request.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'
import { API_KEY, request } from './support.ts'

const openRouterDialect = { provider: 'openrouter', openRouter: true }
const context = { fetch, clock: systemClock, signal: new AbortController().signal }

describe('a chat completion request', () => {
  const full: ModelRequest = {
    model: 'openai/gpt-4',
    systemPrompts: ['One.', '', 'Two.'],
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: '' },
      {
        role: 'user',
        content: '',
        parts: [
          { type: 'text', text: 'What is this?' },
          { type: 'image', url: 'data:image/png;base64,AA==', media_type: 'image/png' },
          {
            type: 'file',
            url: 'https://x/y.pdf',
            media_type: 'application/pdf',
            filename: 'y.pdf',
          },
        ],
      },
      {
        role: 'assistant',
        content: 'A cat.',
        parts: [
          { type: 'text', text: 'A ' },
          { type: 'text', text: 'cat.' },
          { type: 'tool_call', id: 'a', name: 'pet', arguments: '{"n":1}' },
        ],
      },
      {
        role: 'tool',
        content: '',
        parts: [{ type: 'tool_result', tool_call_id: 'a', name: 'pet', content: 'purr' }],
      },
    ],
    params: { temperature: 0, max_output_tokens: 5, stop: ['x'], seed: 1 },
    config: {},
    tools: [{ name: 'pet', parameters: { type: 'object' } }],
    toolChoice: 'auto',
    responseFormat: {
      type: 'json_schema',
      name: 'answer',
      schema: { type: 'object' },
      strict: true,
    },
  }

  it('carries prompts, history, parameters, tools and format', () => {
    expect(toChatCompletionRequest(full, true, openRouterDialect)).toEqual({
      model: 'openai/gpt-4',
      messages: [
        { role: 'system', content: 'One.' },
        { role: 'system', content: 'Two.' },
        { role: 'user', content: 'Hi' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
            { type: 'file', file: { filename: 'y.pdf', file_data: 'https://x/y.pdf' } },
          ],
        },
        {
          role: 'assistant',
          content: 'A cat.',
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'pet', arguments: '{"n":1}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: 'purr' },
      ],
      temperature: 0,
      max_tokens: 5,
      stop: ['x'],
      seed: 1,
      tools: [{ type: 'function', function: { name: 'pet', parameters: { type: 'object' } } }],
      tool_choice: 'auto',
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'answer', schema: { type: 'object' }, strict: true },
      },
      usage: { include: true },
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it('names the one tool to call, one call at a time, and any JSON', () => {
    const body = toChatCompletionRequest(
      {
        ...full,
        tools: [{ name: 'pet', parameters: { type: 'object' }, strict: true }],
        toolChoice: { name: 'pet' },
        parallelToolCalls: false,
        responseFormat: { type: 'json_object' },
      },
      false,
      openRouterDialect,
    )
    expect(body).toMatchObject({
      tools: [
        {
          function: { name: 'pet', parameters: { type: 'object' }, strict: true },
          type: 'function',
        },
      ],
      tool_choice: { type: 'function', function: { name: 'pet' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_object' },
    })
  })

  it('asks a plain service for nothing that only OpenRouter knows', () => {
    const dialect = { provider: 'openai-compatible', openRouter: false }
    const config = { max_tokens_parameter: 'max_completion_tokens' }
    const params = { max_output_tokens: 7 }
    const body = toChatCompletionRequest({ ...request, params, config }, false, dialect)
    expect(Object.keys(body).sort()).toEqual(['max_completion_tokens', 'messages', 'model'])
  })

  it('goes to the configured address with the credential and OpenRouter’s headers', async () => {
    const adapter = createOpenRouterAdapter({ apiKey: API_KEY, referer: 'https://a.b', title: 'T' })
    const { url, headers } = await adapter.prepare(request, 'stream', context)
    expect(url).toBe('https://openrouter.ai/api/v1/chat/completions')
    expect(headers).toEqual({
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${API_KEY}`,
      'http-referer': 'https://a.b',
      'x-title': 'T',
    })
    const plain = createOpenAiCompatibleAdapter({ baseUrl: 'http://127.0.0.1:1/v1/' })
    const wire = await plain.prepare(request, 'complete', context)
    expect(wire.url).toBe('http://127.0.0.1:1/v1/chat/completions')
    expect(wire.headers['authorization']).toBeUndefined()
  })

  it.each(['', 'openrouter.ai', 'ftp://x', 'https://u:p@x', 'https://x?key=1', 'https://x#y'])(
    'is refused for the base URL %j before anything is sent',
    (baseUrl) => {
      expect(() => createOpenAiCompatibleAdapter({ baseUrl })).toThrow(/base URL/)
    },
  )
})
