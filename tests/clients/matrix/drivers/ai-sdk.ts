import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { createOpenRouter } from '@openrouter/ai-sdk-provider'
import {
  generateText,
  type LanguageModel,
  type ModelMessage,
  Output,
  stepCountIs,
  streamText,
  tool,
} from 'ai'
import * as z from 'zod'
import type { ClientDriver, Connection } from '../driver.ts'

type Settings = Parameters<typeof generateText>[0]

interface Asked extends Pick<Settings, 'tools' | 'stopWhen'> {
  messages: ModelMessage[]
  output?: ReturnType<typeof Output.object<object>> | ReturnType<typeof Output.text>
}

interface Said {
  text: string
  messages: ModelMessage[]
  output: unknown
}

/** The AI SDK over one of its providers. */
function aiSdk(
  { name, package: packageName, endpoint }: Pick<ClientDriver, 'name' | 'package' | 'endpoint'>,
  toModel: (connection: Connection) => LanguageModel,
): ClientDriver {
  return {
    name,
    package: packageName,
    endpoint,
    connect(connection) {
      const model = toModel(connection)
      const ask = async (asked: Asked, stream: boolean): Promise<Said> => {
        const settings = { model, maxRetries: 0, output: Output.text(), ...asked }
        if (!stream) {
          const { text, response, output } = await generateText(settings)
          return { text, messages: response.messages, output }
        }
        let failure: Error | undefined
        const onError = ({ error }: { error: unknown }) => void (failure = error as Error)
        const result = streamText({ ...settings, onError })
        await result.consumeStream()
        if (failure) throw failure
        const { messages } = await result.response
        return { text: await result.text, messages, output: await result.output }
      }
      const user = (content: string): ModelMessage => ({ role: 'user', content })
      return {
        async twoTurns(first, second, stream) {
          const { messages } = await ask({ messages: [user(first)] }, stream)
          return (await ask({ messages: [user(first), ...messages, user(second)] }, stream)).text
        },
        async toolLoop(question, { name: called, description, run }, stream) {
          const inputSchema = z.object({ city: z.string() })
          const tools = { [called]: tool({ description, inputSchema, execute: run }) }
          const stopWhen = stepCountIs(3)
          return (await ask({ messages: [user(question)], tools, stopWhen }, stream)).text
        },
        async structured(question, schema, stream) {
          const output = Output.object({ schema })
          return (await ask({ messages: [user(question)], output }, stream)).output
        },
        async image(text, data, stream) {
          const content = [
            { type: 'text' as const, text },
            { type: 'file' as const, data: data.split(',')[1] ?? '', mediaType: 'image/png' },
          ]
          return (await ask({ messages: [{ role: 'user', content }] }, stream)).text
        },
      }
    },
  }
}

export const aiSdkDrivers: readonly ClientDriver[] = [
  aiSdk(
    { name: '`ai` with `@ai-sdk/openai`', package: '@ai-sdk/openai', endpoint: 'responses' },
    ({ model, ...options }) => createOpenAI(options)(model),
  ),
  aiSdk(
    {
      name: '`ai` with `@ai-sdk/openai`, `.chat`',
      package: '@ai-sdk/openai',
      endpoint: 'chat/completions',
    },
    ({ model, ...options }) => createOpenAI(options).chat(model),
  ),
  aiSdk(
    {
      name: '`ai` with `@ai-sdk/openai-compatible`',
      package: '@ai-sdk/openai-compatible',
      endpoint: 'chat/completions',
    },
    ({ model, ...options }) =>
      createOpenAICompatible({ name: 'colloquy', supportsStructuredOutputs: true, ...options })(
        model,
      ),
  ),
  aiSdk(
    {
      name: '`ai` with `@openrouter/ai-sdk-provider`',
      package: '@openrouter/ai-sdk-provider',
      endpoint: 'chat/completions',
    },
    ({ model, ...options }) => createOpenRouter(options)(model),
  ),
]
