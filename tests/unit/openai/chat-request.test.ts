import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { readChatRequest } from '../../../supabase/functions/_shared/openai/chat-request.ts'

const body = { model: 'droid', messages: [{ role: 'user', content: 'Hi' }] }
const tools = [{ type: 'function', function: { name: 'look' } }]

function problemOf(change: object): string {
  try {
    readChatRequest({ ...body, ...change })
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_request') return error.path ?? 'none'
    throw error
  }
  return 'accepted'
}

describe('a chat completion request', () => {
  it.each([
    {
      n: 1,
      user: 'u-1',
      metadata: { a: 'b' },
      store: false,
      service_tier: 'auto',
      logprobs: false,
    },
    { safety_identifier: 'x', prompt_cache_key: 'y', modalities: ['text'] },
    { stream: true, stream_options: { include_usage: true, include_obfuscation: false } },
    { stream: null, tools: null, tool_choice: null, stop: null, temperature: null, seed: null },
    { tools, tool_choice: 'required', parallel_tool_calls: true },
    { tools, tool_choice: { type: 'function', function: { name: 'look' } } },
    { tool_choice: 'none' },
    { tools: [], tool_choice: 'auto', parallel_tool_calls: true },
    { top_logprobs: null, logit_bias: {}, stop: [], functions: [], function_call: null },
    { stop: '', user: '', metadata: {}, stream_options: {}, audio: null, prediction: null },
    { reasoning_effort: 'low' },
    { usage: { include: true }, prompt_cache_retention: '24h', verbosity: 'medium' },
    { max_tokens: 5, max_completion_tokens: 5 },
    { response_format: { type: 'text' } },
    { stop: ['a', 'b', 'c', 'd'] },
  ])('may say %j', (change) => {
    expect(problemOf(change)).toBe('accepted')
  })

  it.each([
    [{ n: 2 }, 'n'],
    [{ store: true }, 'store'],
    [{ logprobs: true }, 'logprobs'],
    [{ service_tier: 'priority' }, 'service_tier'],
    [{ modalities: ['text', 'audio'] }, 'modalities'],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, 'x'])) }, 'metadata'],
    [{ reasoning_effort: 'a lot' }, 'reasoning_effort'],
    [{ functions: [{ name: 'f' }] }, 'functions'],
    [{ logit_bias: { 1: 1 } }, 'logit_bias'],
    [{ verbosity: 'low' }, 'verbosity'],
    // Empty, and yet it switches something on.
    [{ web_search_options: {} }, 'web_search_options'],
    [{ temperature: '' }, 'temperature'],
    [{ model: null }, 'model'],
    [{ tools: [], tool_choice: 'required' }, 'tool_choice'],
    [{ audio: {} }, 'audio'],
    [{ top_logprobs: 1 }, 'top_logprobs'],
    [JSON.parse('{"__proto__":1}') as object, '__proto__'],
    [{ constructor: 1 }, 'constructor'],
    [{ model: '' }, 'model'],
    [{ stream: 'yes' }, 'stream'],
    [{ stream_options: { include_usage: true } }, 'stream_options'],
    [{ stream: true, stream_options: { colour: 1 } }, 'stream_options.colour'],
    [{ max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    [{ tools: [{ type: 'web_search' }] }, 'tools.0.type'],
    [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools.0.function.name'],
    [
      { tools, tool_choice: { type: 'function', function: { name: 'x' } } },
      'tool_choice.function.name',
    ],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ response_format: { type: 'xml' } }, 'response_format.type'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema'],
    [{ messages: [{ role: 'function', content: '' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'user', content: 'a\u0000b' }] }, 'messages.0.content'],
    [{ messages: [{ role: 'user', content: null }] }, 'messages.0.content'],
    [
      { messages: [{ role: 'assistant', function_call: { name: 'f', arguments: '' } }] },
      'messages.0.function_call',
    ],
    [{ messages: [{ role: 'assistant', audio: { id: 'a' } }] }, 'messages.0.audio'],
    [
      { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] },
      'messages.0.content.0.type',
    ],
    ...['data:image/png,AA', 'data:image/png;base64,A A', 'http://a.b/c', 'file:///etc/passwd'].map(
      (url): [object, string] => [
        { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] },
        'messages.0.content.0.image_url.url',
      ],
    ),
  ])('may not say %j', (change, path) => {
    expect(problemOf(change)).toBe(path)
  })

  it('says nothing of what it leaves to its default', () => {
    const { params, asked, stream } = readChatRequest({ ...body, temperature: null })
    expect({ params, stream }).toEqual({
      params: {},
      stream: false,
    })
    expect(asked).toEqual({ messages: [{ role: 'user', content: 'Hi' }] })
  })

  it('passes pictures and files on as they are, wherever they are', () => {
    const png = 'data:image/png;base64,AA=='
    const pdf = 'data:application/pdf;base64,AA=='
    const content = [
      { type: 'image_url', image_url: { url: png, detail: 'low' } },
      { type: 'image_url', image_url: { url: 'https://a.b/c.webp', detail: null } },
      { type: 'file', file: { file_data: pdf, filename: 'a.pdf' } },
      { type: 'file', file: { file_data: png, file_id: null } },
      { type: 'image_url', image_url: { url: pdf, detail: 'low' } },
    ]
    const { asked } = readChatRequest({ ...body, messages: [{ role: 'user', content }] })
    expect(asked.messages[0]?.parts).toEqual([
      { type: 'image', url: png, media_type: 'image/png', detail: 'low' },
      { type: 'image', url: 'https://a.b/c.webp', media_type: 'image/webp' },
      { type: 'file', url: pdf, media_type: 'application/pdf', filename: 'a.pdf' },
      { type: 'image', url: png, media_type: 'image/png' },
      { type: 'file', url: pdf, media_type: 'application/pdf' },
    ])
    const named = [{ type: 'file', file: { file_data: pdf, file_id: 'file-1' } }]
    const problem = problemOf({ messages: [{ role: 'user', content: named }] })
    expect(problem).toBe('messages.0.content.0.file.file_id')
  })

  it('takes messages as SDKs send them back', () => {
    const call = {
      id: 'c',
      type: 'function',
      function: { name: 'look', arguments: '{}', parsed_arguments: {} },
    }
    const answer = {
      role: 'assistant',
      content: null,
      refusal: null,
      annotations: [],
      audio: null,
      function_call: null,
      parsed: null,
      tool_calls: [{ ...call, index: 0 }],
    }
    const { asked } = readChatRequest({
      ...body,
      messages: [...body.messages, answer, { role: 'tool', tool_call_id: 'c', content: 'seen' }],
    })
    expect(asked.messages).toEqual([
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: '',
        parts: [{ type: 'tool_call', id: 'c', name: 'look', arguments: '{}' }],
      },
      {
        role: 'tool',
        content: '',
        parts: [{ type: 'tool_result', tool_call_id: 'c', name: 'look', content: 'seen' }],
      },
    ])
  })

  it('carries the signature of a call back to the model that made it', () => {
    const provider_metadata = { provider: 'vertex-ai', model: 'gemini', thoughtSignature: 'sig' }
    const call = { id: 'c', type: 'function', function: { name: 'look', arguments: '{}' } }
    const { asked } = readChatRequest({
      ...body,
      messages: [
        ...body.messages,
        { role: 'assistant', tool_calls: [{ ...call, extra_content: { provider_metadata } }] },
        { role: 'tool', tool_call_id: 'c', content: 'seen' },
      ],
    })
    expect(asked.messages[1]?.parts).toMatchObject([{ type: 'tool_call', provider_metadata }])
  })
})
