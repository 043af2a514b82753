import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { readChatRequest } from '../../../supabase/functions/_shared/openai/chat-request.ts'
import { inputSchema } from '../../../supabase/functions/_shared/openai/responses-input.ts'

const call = { id: 'c1', type: 'function', function: { name: 'w', arguments: '{}' } }
const asks = { role: 'assistant', content: null, tool_calls: [call] }
const hi = { role: 'user', content: 'Hi' }

function problemOf(body: object): string {
  try {
    readChatRequest({ model: 'droid', messages: [hi], ...body })
    return 'accepted'
  } catch (error) {
    if (error instanceof AppError) return error.path ?? error.code
    throw error
  }
}

describe('a message that a client sends back', () => {
  it.each<[string, object[]]>([
    ['calls that are an empty list', [hi, { role: 'assistant', content: 'A', tool_calls: [] }, hi]],
    ['no content at all', [hi, { role: 'assistant', content: null }, hi]],
    ['content that is an empty list', [hi, { role: 'assistant', content: [] }, hi]],
    ['a call without its type', [hi, { ...asks, tool_calls: [{ ...call, type: undefined }] }]],
    ['the index of a call', [hi, { ...asks, tool_calls: [{ ...call, index: 0 }] }]],
    [
      'null where it refused nothing',
      [
        hi,
        {
          role: 'assistant',
          content: 'A',
          refusal: null,
          audio: null,
          function_call: null,
          annotations: null,
        },
      ],
    ],
    [
      'thoughts of three dialects',
      [
        hi,
        {
          role: 'assistant',
          content: 'A',
          reasoning: 'H',
          reasoning_content: 'H',
          reasoning_details: [{ type: 'reasoning.text', text: 'H' }],
        },
        hi,
      ],
    ],
    [
      'pictures of the model',
      [
        hi,
        {
          role: 'assistant',
          content: '',
          images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }],
        },
        hi,
      ],
    ],
    ['an id and a date', [hi, { role: 'assistant', content: 'A', id: 'msg_1', created_at: 1 }, hi]],
    ['a name', [{ ...hi, name: 'Ann' }]],
    [
      'a mark for a cache',
      [
        {
          role: 'user',
          content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }],
        },
      ],
    ],
    [
      'an empty text beside another',
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: '' },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
    ],
    [
      'a result in parts, with a status',
      [
        hi,
        asks,
        {
          role: 'tool',
          tool_call_id: 'c1',
          name: 'w',
          status: 'success',
          content: [{ type: 'text', text: 'Sunny' }],
        },
      ],
    ],
    ['an empty result', [hi, asks, { role: 'tool', tool_call_id: 'c1', content: '' }]],
    ['a result that is null', [hi, asks, { role: 'tool', tool_call_id: 'c1', content: null }]],
    [
      'a developer in parts',
      [{ role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] }, hi],
    ],
    ['a system message in the middle', [hi, { role: 'system', content: 'Be brief.' }, hi]],
    [
      'a detail that is not set',
      [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'https://a.test/b.png', detail: null } },
          ],
        },
      ],
    ],
  ])('may have %s', (_, messages) => {
    expect(problemOf({ messages })).toBe('accepted')
  })

  it.each<[string, object, string]>([
    [
      'beside the text',
      {
        content: 'Look:',
        images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }],
      },
      'Look:\n[image/png, made by the model]',
    ],
    [
      'among the parts',
      {
        content: [
          { type: 'text', text: 'Look: ' },
          { type: 'image_url', image_url: { url: 'https://a.test/b' } },
        ],
      },
      'Look: [image, made by the model]',
    ],
    [
      'without a text, and of odd shapes',
      { content: null, images: [null, { image_url: 'data:image/webp;base64,AA==' }] },
      '[image, made by the model]\n[image/webp, made by the model]',
    ],
    ['that are no list', { content: 'A', images: 'x' }, 'A'],
  ])('may have pictures %s: the model reads what stood there', (_how, answer, content) => {
    const messages = [hi, { role: 'assistant', ...answer }, hi]
    const { asked } = readChatRequest({ model: 'droid', messages })
    expect(asked.messages[1]).toEqual({ role: 'assistant', content })
  })

  it.each<[string, object[], string]>([
    [
      'a sound',
      [
        {
          role: 'user',
          content: [{ type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }],
        },
      ],
      'messages.0.content.0',
    ],
    [
      'a film',
      [
        {
          role: 'user',
          content: [{ type: 'video_url', video_url: { url: 'https://a.test/b.mp4' } }],
        },
      ],
      'messages.0.content.0',
    ],
    [
      'the older result of a call',
      [hi, { role: 'function', name: 'w', content: 'x' }],
      'messages.1',
    ],
    [
      'a sound of its own',
      [hi, { role: 'assistant', content: 'A', audio: { id: 'a' } }],
      'messages.1.audio',
    ],
    [
      'a picture at an address of a file',
      [
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }],
        },
      ],
      'messages.0.content.0.image_url.url',
    ],
    [
      'a result of no call',
      [hi, { role: 'tool', tool_call_id: 'c9', content: 'x' }],
      'messages.1.tool_call_id',
    ],
    ['no content', [{ role: 'user', content: null }], 'messages.0.content'],
  ])('may not have %s, which a model would miss', (_, messages, path) => {
    expect(problemOf({ messages })).toContain(path)
  })

  it.each<[string, object]>([
    ['no parameters', { name: 'w' }],
    ['null where it is not set', { name: 'w', description: null, parameters: null, strict: null }],
    ['an empty schema', { name: 'w', parameters: {} }],
    ['marks of other services', { name: 'w', parameters: { type: 'object' }, cache_control: {} }],
  ])('comes with tools of %s', (_, tool) => {
    expect(problemOf({ tools: [{ type: 'function', function: tool, cache_control: null }] })).toBe(
      'accepted',
    )
  })
})

describe('an item of a response that a client sends back', () => {
  const text = { type: 'output_text', text: 'A', annotations: [], logprobs: [] }
  it.each<[string, object]>([
    [
      'its id and status',
      { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [text] },
    ],
    [
      'thoughts that are sealed',
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [],
        encrypted_content: 'x',
        content: null,
        status: null,
      },
    ],
    [
      'a call with its id',
      {
        type: 'function_call',
        id: 'fc_1',
        status: 'completed',
        call_id: 'c1',
        name: 'w',
        arguments: '{}',
      },
    ],
    [
      'a result in parts',
      { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'x' }] },
    ],
    [
      'a picture of the model',
      { type: 'image_generation_call', id: 'ig_1', status: 'completed', result: 'AA==' },
    ],
    ['no type', { role: 'user', content: 'Hi' }],
    ['a null where it has no type', { type: null, role: 'user', content: 'Hi' }],
    ['nothing but an id', { id: 'msg_1' }],
  ])('may have %s', (_, item) => {
    expect(inputSchema.safeParse([item]).success).toBe(true)
  })

  it.each<[string, object]>([
    ['a search of the web', { type: 'web_search_call', id: 'ws_1', status: 'completed' }],
    [
      'a file of another account',
      { role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] },
    ],
    ['a sound', { role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }],
  ])('may not have %s', (_, item) => {
    expect(inputSchema.safeParse([item]).success).toBe(false)
  })
})
