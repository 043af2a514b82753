import { describe, expect, it } from 'vitest'
import { AppError } from '../../../supabase/functions/_shared/errors.ts'
import { readChatRequest } from '../../../supabase/functions/_shared/openai/chat-request.ts'
import { reachable, readPublishedTypes } from '../../support/clients/published-types.ts'

/** OpenAI's own types of requests and answers, as the SDK that is installed publishes them. */
const types = readPublishedTypes('resources/chat/completions/completions')
const shared = readPublishedTypes('resources/shared')

type Json = Record<string, unknown>
const called: Json = { name: 'look', arguments: '{}' }
const call: Json = { id: 'c', type: 'function', function: called }
const file: Json = { file_data: 'data:application/pdf;base64,AA==' }
const image: Json = { url: 'https://a.b/c.png' }

const asking = (message: Json) => [message]
const answered = (message: Json) => [{ role: 'user', content: 'Hi' }, message]
const withCall = (one: Json) => answered({ role: 'assistant', content: null, tool_calls: [one] })
const withPart = (role: string) => (part: Json) => answered({ role, content: [part] })
const withTool = (tool: Json) => ({ messages: [{ role: 'user', content: 'Hi' }], tools: [tool] })
const tool: Json = { type: 'function', function: { name: 'look' } }

/** Where a value of each type stands in a request: a whole one, and what to put another there. */
const places: Record<string, [value: Json, place: (value: Json) => unknown[] | Json]> = {
  ChatCompletionDeveloperMessageParam: [{ role: 'developer', content: 'a' }, asking],
  ChatCompletionSystemMessageParam: [{ role: 'system', content: 'a' }, asking],
  ChatCompletionUserMessageParam: [{ role: 'user', content: 'a' }, asking],
  ChatCompletionAssistantMessageParam: [{ role: 'assistant', content: 'a' }, answered],
  ChatCompletionMessage: [{ role: 'assistant', content: 'a' }, answered],
  ParsedChatCompletionMessage: [{ role: 'assistant', content: 'a' }, answered],
  ChatCompletionStoreMessage: [{ role: 'assistant', content: 'a' }, answered],
  'ChatCompletionChunk.Choice.Delta': [{ role: 'assistant', content: 'a' }, answered],
  ChatCompletionToolMessageParam: [
    { role: 'tool', content: 'a', tool_call_id: 'c' },
    (message) => [...withCall(call), message],
  ],
  ChatCompletionContentPartText: [{ type: 'text', text: 'a' }, withPart('user')],
  ChatCompletionContentPartRefusal: [{ type: 'refusal', refusal: 'a' }, withPart('assistant')],
  ChatCompletionContentPartImage: [{ type: 'image_url', image_url: image }, withPart('user')],
  'ChatCompletionContentPartImage.ImageURL': [
    image,
    (image_url) => withPart('user')({ type: 'image_url', image_url }),
  ],
  'ChatCompletionContentPart.File': [{ type: 'file', file }, withPart('user')],
  'File.File': [file, (given) => withPart('user')({ type: 'file', file: given })],
  ChatCompletionMessageFunctionToolCall: [call, withCall],
  ParsedFunctionToolCall: [call, withCall],
  'ChatCompletionChunk.Choice.Delta.ToolCall': [call, withCall],
  'ChatCompletionMessageFunctionToolCall.Function': [
    called,
    (function_) => withCall({ ...call, function: function_ }),
  ],
  ParsedFunction: [called, (function_) => withCall({ ...call, function: function_ })],
  ChatCompletionFunctionTool: [tool, withTool],
  FunctionDefinition: [{ name: 'look' }, (function_) => withTool({ ...tool, function: function_ })],
}

/** What a model would see or hear, or what says what else there is: read, and not dropped. */
const read: Record<string, readonly string[]> = {
  ChatCompletionAssistantMessageParam: ['audio', 'function_call', 'refusal', 'tool_calls'],
  ChatCompletionMessage: ['audio', 'function_call', 'refusal', 'tool_calls'],
  ParsedChatCompletionMessage: ['tool_calls'],
  'ChatCompletionChunk.Choice.Delta': ['function_call', 'refusal', 'tool_calls'],
  'ChatCompletionContentPartImage.ImageURL': ['detail'],
  'File.File': ['file_id', 'filename'],
  FunctionDefinition: ['description', 'parameters', 'strict'],
}

/** Types for which there is no place: a value of them is refused, by its role or its type. */
const refused = [
  'ChatCompletionFunctionMessageParam',
  'ChatCompletionContentPartInputAudio',
  'ChatCompletionMessageCustomToolCall',
  'ChatCompletionCustomTool',
]

function outcome(place: unknown[] | Json): { path: string } | { asked: unknown } {
  const body = Array.isArray(place) ? { messages: place } : place
  try {
    return { asked: readChatRequest({ model: 'droid', ...body }).asked }
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_request') {
      return { path: error.path ?? 'none' }
    }
    throw error
  }
}

const keysOf = (name: string) =>
  (types.get(name) ?? types.get(`ChatCompletionContentPart.${name}`) ?? shared.get(name))?.keys ??
  []
const cases = Object.entries(places).flatMap(([name, [value, place]]) => {
  const required = Object.keys(value)
  const keys = keysOf(name).filter((key) => !required.includes(key))
  return keys.map((key) => ({ name, key, value, place }))
})

describe('of a message, a part, a tool call or a tool that OpenAI publishes', () => {
  it.each(cases)('$name: $key may be null, which is not set', ({ key, value, place }) => {
    expect(outcome(place({ ...value, [key]: null }))).toEqual(outcome(place(value)))
  })

  const dropped = cases.filter(({ name, key }) => read[name]?.includes(key) !== true)
  it.each(dropped)('$name: $key is dropped, whatever it is', ({ key, value, place }) => {
    const plain = outcome(place(value))
    expect(plain).toHaveProperty('asked')
    for (const any of ['text', 7, true, [{ type: 'x' }], { type: 'x' }, []]) {
      expect(outcome(place({ ...value, [key]: any }))).toEqual(plain)
    }
  })

  it('every type has a place here, or is refused', () => {
    const kinds = ['ChatCompletionMessageParam', 'ChatCompletionTool', 'ChatCompletionMessage']
    const concerned = reachable(types, kinds).filter(
      (name) => (types.get(name)?.keys.length ?? 0) > 0,
    )
    const known = [...Object.keys(places), ...refused]
    // What stands below a key that is dropped or refused as a whole needs no place of its own.
    const below =
      /(?:Annotation|Audio|FunctionCall|PromptCacheBreakpoint|InputAudio|File|Custom)(?:\.|$)/
    const unknown = concerned.filter((name) => !known.includes(name) && !below.test(name))
    expect(unknown).toEqual([])
    expect(concerned.length).toBeGreaterThan(15)
  })
})

describe('of the parameters that OpenAI publishes', () => {
  const parameters = types.get('ChatCompletionCreateParamsBase')?.keys ?? []
  const required = ['model', 'messages']
  const body = { messages: [{ role: 'user', content: 'Hi' }] }

  it.each(parameters.filter((key) => !required.includes(key)))('%s may be null', (key) => {
    expect(outcome({ ...body, [key]: null })).toEqual(outcome(body))
  })

  it.each([...parameters, 'colour'])('%s is read: nonsense is refused with its path', (key) => {
    const result = outcome({ ...body, [key]: () => 0 })
    expect(result).toHaveProperty('path')
    expect((result as { path: string }).path.split('.')[0]).toBe(key)
  })
})
