import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { OpenAIEmbedding } from '@llamaindex/openai'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { Agent, OpenAIProvider, Runner } from '@openai/agents'
import { createOpenRouter } from '@openrouter/ai-sdk-provider'
import { OpenRouter } from '@openrouter/sdk'
import { embedMany, generateText } from 'ai'
import OpenAI from 'openai'
import type { Connection } from './driver.ts'

/** One use of a client that not every client has, as its own documentation writes it. */
export interface FurtherUse<Given extends unknown[], Result> {
  /** As the documents name the client, and its package. */
  readonly client: string
  readonly package: string
  use(connection: Connection, ...given: Given): Promise<Result>
}

/** Vectors of texts. */
export const embedders: readonly FurtherUse<[texts: string[]], readonly (readonly number[])[]>[] = [
  {
    client: '`openai`',
    package: 'openai',
    async use({ model, ...options }, input) {
      const { data } = await new OpenAI(options).embeddings.create({ model, input })
      return data.map(({ embedding }) => embedding)
    },
  },
  {
    client: '`ai` with `@ai-sdk/openai`',
    package: '@ai-sdk/openai',
    async use({ model, ...options }, values) {
      const embedded = { model: createOpenAI(options).embedding(model), values }
      return (await embedMany(embedded)).embeddings
    },
  },
  {
    client: '`ai` with `@ai-sdk/openai-compatible`',
    package: '@ai-sdk/openai-compatible',
    async use({ model, ...options }, values) {
      const provider = createOpenAICompatible({ name: 'colloquy', ...options })
      return (await embedMany({ model: provider.embeddingModel(model), values })).embeddings
    },
  },
  {
    client: '`ai` with `@openrouter/ai-sdk-provider`',
    package: '@openrouter/ai-sdk-provider',
    async use({ model, ...options }, values) {
      const provider = createOpenRouter(options)
      return (await embedMany({ model: provider.textEmbeddingModel(model), values })).embeddings
    },
  },
  {
    client: '`@openrouter/sdk`',
    package: '@openrouter/sdk',
    async use({ model, baseURL, apiKey }, input) {
      const client = new OpenRouter({ apiKey, serverURL: baseURL })
      const made = await client.embeddings.generate({ requestBody: { model, input } })
      if (typeof made === 'string') throw new Error(made)
      return made.data.map(({ embedding }) => embedding as number[])
    },
  },
  {
    client: '`@langchain/openai`',
    package: '@langchain/openai',
    use({ model, apiKey, baseURL }, texts) {
      return new OpenAIEmbeddings({ model, apiKey, configuration: { baseURL } }).embedDocuments(
        texts,
      )
    },
  },
  {
    client: '`@llamaindex/openai`',
    package: '@llamaindex/openai',
    use({ model, apiKey, baseURL }, texts) {
      return new OpenAIEmbedding({ model, apiKey, baseURL }).getTextEmbeddings(texts)
    },
  },
]

/** The answer to the second of two questions, which names the response to the first. */
export const followers: readonly FurtherUse<[first: string, second: string], string>[] = [
  {
    client: '`openai`',
    package: 'openai',
    async use({ model, ...options }, first, second) {
      const { responses } = new OpenAI(options)
      const { id } = await responses.create({ model, input: first })
      const next = { model, input: second, previous_response_id: id }
      return (await responses.create(next)).output_text
    },
  },
  {
    client: '`ai` with `@ai-sdk/openai`',
    package: '@ai-sdk/openai',
    async use({ model: name, ...options }, first, second) {
      const model = createOpenAI(options)(name)
      const { providerMetadata } = await generateText({ model, prompt: first })
      const previousResponseId = providerMetadata?.['openai']?.['responseId'] as string
      const providerOptions = { openai: { previousResponseId } }
      return (await generateText({ model, prompt: second, providerOptions })).text
    },
  },
  {
    client: '`@openai/agents`',
    package: '@openai/agents',
    async use({ model, ...options }, first, second) {
      const modelProvider = new OpenAIProvider({ ...options, useResponses: true })
      const runner = new Runner({ modelProvider })
      const agent = new Agent({ name: 'Asker', model })
      const previousResponseId = (await runner.run(agent, first)).lastResponseId ?? ''
      return String((await runner.run(agent, second, { previousResponseId })).finalOutput)
    },
  },
  {
    client: '`@langchain/openai`, `useResponsesApi: true`',
    package: '@langchain/openai',
    async use({ model: name, apiKey, baseURL }, first, second) {
      const configuration = { baseURL }
      const model = new ChatOpenAI({ model: name, apiKey, configuration, useResponsesApi: true })
      const { response_metadata } = await model.invoke(first)
      const previous_response_id = String(response_metadata['id'])
      return (await model.invoke(second, { previous_response_id })).text
    },
  },
]
