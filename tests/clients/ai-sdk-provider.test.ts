import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, Output, stepCountIs, streamText, tool } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { createAgent } from '../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let provider: ReturnType<typeof createOpenAICompatible>
let id: string

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  const ann = await signUpWithOrganization('ann')
  id = await createAgent(sql, ann.organization, ['openrouter'])
  provider = createOpenAICompatible({
    name: 'colloquy',
    baseURL: scripted.baseURL,
    apiKey: await accessToken(ann),
    includeUsage: true,
    supportsStructuredOutputs: true,
  })
})

const prompt = 'How is Bern?'

describe('the AI SDK’s client for OpenAI-compatible services', () => {
  it('generates a text', async () => {
    scripted.answer({ text: ['It is ', 'sunny.'] })
    const { text, finishReason, usage } = await generateText({ model: provider(id), prompt })
    expect({ text, finishReason }).toEqual({ text: 'It is sunny.', finishReason: 'stop' })
    expect(usage).toMatchObject({ inputTokens: 11, outputTokens: 7, totalTokens: 18 })
  })

  it('streams a text that comes after a tool it ran', async () => {
    const call = { id: 'call_1', name: 'weather', arguments: '{"city":"Bern"}' }
    scripted.answer({ toolCalls: [call] }, { text: ['It is ', 'sunny.'] })
    const cities: string[] = []
    const { textStream, finishReason, totalUsage } = streamText({
      model: provider(id),
      prompt,
      stopWhen: stepCountIs(3),
      tools: {
        weather: tool({
          inputSchema: z.object({ city: z.string() }),
          execute: ({ city }) => {
            cities.push(city)
            return 'sunny'
          },
        }),
      },
    })
    let text = ''
    for await (const piece of textStream) text += piece
    expect({ text, cities }).toEqual({ text: 'It is sunny.', cities: ['Bern'] })
    expect(await finishReason).toBe('stop')
    expect(await totalUsage).toMatchObject({ inputTokens: 22, outputTokens: 14 })
    expect(scripted.asked()[1]?.messages.at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'call_1',
      content: 'sunny',
    })
  })

  it('generates an object of a schema', async () => {
    scripted.answer({ text: ['{"name":"Bern","people":134000}'] })
    const schema = z.object({ name: z.string(), people: z.int() })
    const { output } = await generateText({
      model: provider(id),
      prompt,
      output: Output.object({ schema }),
    })
    expect(output).toEqual({ name: 'Bern', people: 134_000 })
    expect(scripted.asked()[0]).toMatchObject({ response_format: { type: 'json_schema' } })
  })

  it('throws what is refused, with our words', async () => {
    const absent = generateText({ model: provider('absent'), prompt, maxRetries: 0 })
    const error: unknown = await absent.catch((thrown: unknown) => thrown)
    expect(APICallError.isInstance(error)).toBe(true)
    expect(error).toMatchObject({
      statusCode: 404,
      message: 'The model does not exist or you do not have access to it.',
    })
  })
})
