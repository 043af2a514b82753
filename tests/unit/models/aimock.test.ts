import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completeModel } from '../../../supabase/functions/_shared/models/complete-model.ts'
import type { ModelAdapter } from '../../../supabase/functions/_shared/models/model-adapter.ts'
import type { ModelRequest } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { createOpenAiCompatibleAdapter } from '../../../supabase/functions/_shared/models/openai-compatible.ts'
import { TEXT } from './recorded.ts'
import { API_KEY, collect, openRouter, request } from './support.ts'
import { vertexAdapter } from './vertex-support.ts'

const mock = new LLMock({ port: 0, host: '127.0.0.1' })
beforeAll(async () => {
  mock.onMessage('Wie geht es?', { content: TEXT, reasoning: 'Höflich.' })
  mock.onMessage('Weather?', {
    toolCalls: [{ name: 'weather', arguments: JSON.stringify({ city: 'Köln' }) }],
  })
  await mock.start()
})
afterAll(() => mock.stop())

const tools = [{ name: 'weather', parameters: { type: 'object', properties: {} } }]
const weather: ModelRequest = {
  ...request,
  messages: [{ role: 'user', content: 'Weather?' }],
  tools,
}

const peers: [string, (url: string) => ModelAdapter, string][] = [
  ['OpenRouter', openRouter, 'openai/gpt-4'],
  [
    'OpenAI',
    (url) => createOpenAiCompatibleAdapter({ baseUrl: `${url}/v1`, apiKey: API_KEY }),
    'gpt-4',
  ],
  ['Vertex AI', vertexAdapter, 'gemini-1.5-pro'],
]

describe.each(peers)('a live server that speaks the protocol of %s', (_, adapterOf, model) => {
  it('streams an answer', async () => {
    const { answer, error } = await collect(adapterOf(mock.url), {}, { ...request, model })
    expect(error).toBeNull()
    expect(answer.content).toBe(TEXT)
    expect(answer.parts[0]).toMatchObject({ type: 'reasoning', text: 'Höflich.' })
    expect(answer.finish?.reason).toBe('stop')
    // This server counts nothing for Vertex AI and says 0, which is no count of an answer.
    const counted = model.startsWith('gemini') ? null : (expect.any(Number) as number)
    expect(answer.usage?.outputTokens).toEqual(counted)
  })

  it('gives the same answer whole', async () => {
    const answer = await completeModel(adapterOf(mock.url), { ...request, model })
    expect(answer.content).toBe(TEXT)
    expect(answer.finish?.reason).toBe('stop')
  })

  it('calls a tool', async () => {
    const { answer, error } = await collect(adapterOf(mock.url), {}, { ...weather, model })
    expect(error).toBeNull()
    const [call] = answer.parts.filter((part) => part.type === 'tool_call')
    expect(call?.name).toBe('weather')
    expect(JSON.parse(call?.arguments ?? '')).toEqual({ city: 'Köln' })
    expect(answer.finish?.reason).toBe('tool_calls')
  })

  it('receives the system prompt and the history in its own form', async () => {
    await collect(adapterOf(mock.url), {}, { ...request, model })
    const seen = JSON.stringify(mock.getLastRequest()?.body)
    expect(seen).toContain('Be brief.')
    expect(seen).toContain('Wie geht es?')
  })

  it('is rate limited, disconnected or broken with a ModelError', async () => {
    const adapter = adapterOf(mock.url)
    const asked = { ...request, model }
    const failing = async (config: Parameters<typeof mock.setChaos>[0]): Promise<unknown> => {
      mock.setChaos(config)
      const { error } = await collect(adapter, {}, asked)
      mock.clearChaos()
      return error
    }
    expect(await failing({ rateLimitRate: 1 })).toMatchObject({
      code: 'provider_rate_limited',
      retryAfterMs: 1_000,
    })
    expect(await failing({ dropRate: 1 })).toMatchObject({ code: 'provider_error' })
    expect(await failing({ malformedRate: 1 })).toMatchObject({ name: 'ModelError' })
    expect(await failing({ disconnectRate: 1 })).toMatchObject({ name: 'ModelError' })
  })
})
