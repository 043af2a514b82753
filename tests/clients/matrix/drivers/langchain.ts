import { type BaseMessage, HumanMessage } from '@langchain/core/messages'
import type { Runnable } from '@langchain/core/runnables'
import { createReactAgent } from '@langchain/langgraph/prebuilt'
import { ChatOpenAI } from '@langchain/openai'
import { createAgent, providerStrategy, tool } from 'langchain'
import * as z from 'zod'
import type { ClientDriver, ClientTool, Connection } from '../driver.ts'

const toModel = ({ baseURL, apiKey, model }: Connection, rest: object = {}) =>
  new ChatOpenAI({ model, apiKey, maxRetries: 0, configuration: { baseURL }, ...rest })

const toTool = ({ name, description, run }: ClientTool) =>
  tool((input: { city: string }) => run(input), {
    name,
    description,
    schema: z.object({ city: z.string() }),
  })

const picture = (text: string, url: string) =>
  new HumanMessage({
    content: [
      { type: 'text', text },
      { type: 'image_url', image_url: { url } },
    ],
  })

interface State {
  messages: BaseMessage[]
  structuredResponse?: unknown
}

/** The last state of an agent's graph. Its model streams because a reader of its messages is there. */
async function run(agent: unknown, messages: BaseMessage[], stream: boolean): Promise<State> {
  const graph = agent as Runnable<{ messages: BaseMessage[] }, State>
  if (!stream) return await graph.invoke({ messages })
  const options = { streamMode: ['messages', 'values'] } as object
  let state: State | undefined
  for await (const piece of await graph.stream({ messages }, options)) {
    const [mode, value] = piece as unknown as [string, State]
    if (mode === 'values') state = value
  }
  if (!state) throw new Error('the stream had no state')
  return state
}

/** `ChatOpenAI` by itself and below `createAgent`, over one of the two endpoints. */
function langchain(useResponsesApi: boolean): ClientDriver {
  return {
    name: useResponsesApi
      ? '`langchain` with `@langchain/openai`, `useResponsesApi: true`'
      : '`langchain` with `@langchain/openai`',
    package: 'langchain',
    endpoint: useResponsesApi ? 'responses' : 'chat/completions',
    connect(connection) {
      const model = toModel(connection, { useResponsesApi })
      const ask = async (messages: BaseMessage[], stream: boolean) => {
        if (!stream) return await model.invoke(messages)
        const chunks = await model.stream(messages)
        let whole: Awaited<ReturnType<ChatOpenAI['invoke']>> | undefined
        for await (const chunk of chunks) whole = whole ? whole.concat(chunk) : chunk
        if (!whole) throw new Error('the stream was empty')
        return whole
      }
      return {
        async twoTurns(first, second, stream) {
          const asked = new HumanMessage(first)
          const answer = await ask([asked], stream)
          return (await ask([asked, answer, new HumanMessage(second)], stream)).text
        },
        async toolLoop(question, given, stream) {
          const agent = createAgent({ model, tools: [toTool(given)] })
          const { messages } = await run(agent, [new HumanMessage(question)], stream)
          return messages.at(-1)?.text ?? ''
        },
        async structured(question, schema, stream) {
          const responseFormat = providerStrategy(schema)
          const agent = createAgent({ model, tools: [], responseFormat })
          return (await run(agent, [new HumanMessage(question)], stream)).structuredResponse
        },
        async image(text, url, stream) {
          return (await ask([picture(text, url)], stream)).text
        },
      }
    },
  }
}

/** LangGraph's own agent, whose state is the conversation. */
const langgraph: ClientDriver = {
  name: '`@langchain/langgraph`, `createReactAgent`',
  package: '@langchain/langgraph',
  endpoint: 'chat/completions',
  connect(connection) {
    const llm = toModel(connection)
    const ask = async (messages: BaseMessage[], stream: boolean, tools: ClientTool[] = []) => {
      const agent = createReactAgent({ llm, tools: tools.map(toTool) })
      return (await run(agent, messages, stream)).messages
    }
    return {
      async twoTurns(first, second, stream) {
        const messages = await ask([new HumanMessage(first)], stream)
        return (await ask([...messages, new HumanMessage(second)], stream)).at(-1)?.text ?? ''
      },
      async toolLoop(question, given, stream) {
        return (await ask([new HumanMessage(question)], stream, [given])).at(-1)?.text ?? ''
      },
      async structured(question, schema, stream) {
        const structured = llm.withStructuredOutput(schema, { method: 'jsonSchema', strict: true })
        if (!stream) return await structured.invoke([new HumanMessage(question)])
        let value: unknown
        for await (const piece of await structured.stream([new HumanMessage(question)]))
          value = piece
        return value
      },
      async image(text, url, stream) {
        return (await ask([picture(text, url)], stream)).at(-1)?.text ?? ''
      },
    }
  },
}

export const langchainDrivers: readonly ClientDriver[] = [
  langchain(false),
  langchain(true),
  langgraph,
]
