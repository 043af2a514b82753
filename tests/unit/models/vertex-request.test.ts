import { describe, expect, it } from 'vitest'
import type { ModelRequest } from '../../../supabase/functions/_shared/models/model-protocol.ts'
import { toGenerateContentRequest } from '../../../supabase/functions/_shared/models/vertex-request.ts'
import { createVertexAdapter } from '../../../supabase/functions/_shared/models/vertex.ts'
import { systemClock } from '../../../supabase/functions/_shared/time.ts'
import { collect, request } from './support.ts'
import { ACCESS_TOKEN, keyFile, tokenFetch } from './vertex-support.ts'

const asked: ModelRequest = { ...request, model: 'gemini-1.5-pro' }
const context = { fetch: tokenFetch(), clock: systemClock, signal: new AbortController().signal }

describe('a Gemini request', () => {
  it.each([
    'gs://bucket/secret.pdf',
    'file:///etc/passwd',
    'http://127.0.0.1/',
    'data:text/plain,x',
  ])('never has the provider read %s with our rights', (url) => {
    const parts = [{ type: 'file' as const, url, media_type: 'application/pdf' }]
    const ask = () =>
      toGenerateContentRequest({ ...asked, messages: [{ role: 'user', content: '', parts }] })
    expect(ask).toThrow(expect.objectContaining({ fault: 'caller' }))
  })

  it('carries prompts, history, parameters, tools and format', () => {
    const body = toGenerateContentRequest({
      ...asked,
      systemPrompts: ['One.'],
      messages: [
        { role: 'system', content: 'Two.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: '' },
        {
          role: 'user',
          content: '',
          parts: [
            { type: 'image', url: 'data:image/png;base64,AA==', media_type: 'image/png' },
            { type: 'file', url: 'https://example.com/y.pdf', media_type: 'application/pdf' },
          ],
        },
        {
          role: 'assistant',
          content: '',
          parts: [
            { type: 'reasoning', text: 'hm' },
            { type: 'tool_call', id: 'a', name: 'pet', arguments: '{"n":1}' },
            { type: 'tool_call', id: 'b', name: 'pet', arguments: 'broken' },
          ],
        },
        {
          role: 'tool',
          content: '',
          parts: [{ type: 'tool_result', tool_call_id: 'a', name: 'pet', content: '{"ok":true}' }],
        },
        {
          role: 'tool',
          content: '',
          parts: [
            { type: 'tool_result', tool_call_id: 'b', name: 'pet', content: 'no', is_error: true },
          ],
        },
      ],
      params: { temperature: 0, max_output_tokens: 5, stop: ['x'], top_k: 3 },
      tools: [{ name: 'pet', description: 'Pets.', parameters: { type: 'object' } }],
      toolChoice: 'required',
      responseFormat: {
        type: 'json_schema',
        name: 'answer',
        schema: { type: 'object' },
        strict: true,
      },
    })
    expect(body).toEqual({
      systemInstruction: { parts: [{ text: 'One.' }, { text: 'Two.' }] },
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'Hi' },
            { inlineData: { mimeType: 'image/png', data: 'AA==' } },
            { fileData: { fileUri: 'https://example.com/y.pdf', mimeType: 'application/pdf' } },
          ],
        },
        {
          role: 'model',
          parts: [
            { functionCall: { name: 'pet', args: { n: 1 } } },
            { functionCall: { name: 'pet', args: {} } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { name: 'pet', response: { ok: true } } },
            { functionResponse: { name: 'pet', response: { error: 'no' } } },
          ],
        },
      ],
      generationConfig: {
        temperature: 0,
        maxOutputTokens: 5,
        topK: 3,
        stopSequences: ['x'],
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object' },
      },
      tools: [
        {
          functionDeclarations: [
            { name: 'pet', description: 'Pets.', parametersJsonSchema: { type: 'object' } },
          ],
        },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY' } },
    })
  })

  it('allows the one tool that must be called, and any JSON', () => {
    const body = toGenerateContentRequest({
      ...request,
      tools: [{ name: 'pet', parameters: { type: 'object' }, strict: true }],
      toolChoice: { name: 'pet' },
      responseFormat: { type: 'json_object' },
    })
    expect(body).toMatchObject({
      generationConfig: { responseMimeType: 'application/json' },
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['pet'] } },
    })
    expect(body['tools']).toEqual([
      { functionDeclarations: [{ name: 'pet', parametersJsonSchema: { type: 'object' } }] },
    ])
    expect(body['generationConfig']).not.toHaveProperty('responseJsonSchema')
  })

  const PATH = 'v1/projects/colloquy-test/locations'
  const MODEL = 'publishers/google/models/gemini-1.5-pro:streamGenerateContent?alt=sse'
  it.each([
    [
      undefined,
      undefined,
      `https://us-central1-aiplatform.googleapis.com/${PATH}/us-central1/${MODEL}`,
    ],
    [
      undefined,
      'europe-west4',
      `https://europe-west4-aiplatform.googleapis.com/${PATH}/europe-west4/${MODEL}`,
    ],
    [
      'europe-west4',
      'us-east1',
      `https://europe-west4-aiplatform.googleapis.com/${PATH}/europe-west4/${MODEL}`,
    ],
    [undefined, 'global', `https://aiplatform.googleapis.com/${PATH}/global/${MODEL}`],
    [undefined, 'eu', `https://aiplatform.eu.rep.googleapis.com/${PATH}/eu/${MODEL}`],
  ])('goes to the endpoint of the location %j, else %j', async (configured, route, expected) => {
    const location = configured === undefined ? {} : { location: configured }
    const adapter = createVertexAdapter({ serviceAccount: keyFile(), ...location })
    const config = route === undefined ? {} : { location: route }
    const { url, headers } = await adapter.prepare({ ...asked, config }, 'stream', context)
    expect(url).toBe(expected)
    expect(headers['authorization']).toBe(`Bearer ${ACCESS_TOKEN}`)
  })

  it('goes to a base URL when one is set, with names that cannot leave their place', async () => {
    const baseUrl = 'http://127.0.0.1:9/'
    const adapter = createVertexAdapter({ serviceAccount: keyFile(), project: 'a/b', baseUrl })
    const { url } = await adapter.prepare({ ...asked, model: '../x?y' }, 'complete', context)
    expect(url).toBe(
      'http://127.0.0.1:9/v1/projects/a%2Fb/locations/us-central1/publishers/google/models/..%2Fx%3Fy:generateContent',
    )
  })

  it.each(['evil.example/#', 'a.b', '', 'US', 7, null, '../x'])(
    'is not sent anywhere for the location %j',
    async (location) => {
      let sent = 0
      const send: typeof fetch = () => Promise.resolve(Response.json({ sent: (sent += 1) }))
      const adapter = createVertexAdapter({ serviceAccount: keyFile() })
      const wire = { ...asked, config: { location } }
      const { error } = await collect(adapter, { fetch: send }, wire)
      expect(error).toMatchObject({ code: 'provider_misconfigured', fault: 'platform' })
      expect(sent).toBe(0)
    },
  )

  it('drops a token that was refused', async () => {
    let exchanges = 0
    const send: typeof fetch = (url) => {
      const isToken = (url as string).includes('oauth2')
      if (isToken) exchanges += 1
      return Promise.resolve(
        isToken
          ? Response.json({ access_token: ACCESS_TOKEN, expires_in: 3600 })
          : new Response('{}', { status: 401 }),
      )
    }
    const adapter = createVertexAdapter({ serviceAccount: keyFile() })
    await collect(adapter, { fetch: send }, asked)
    await collect(adapter, { fetch: send }, asked)
    expect(exchanges).toBe(2)
  })
})
