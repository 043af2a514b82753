import {
  Agent,
  type AgentInputItem,
  OpenAIProvider,
  Runner,
  setTracingDisabled,
  tool,
  user,
} from '@openai/agents'
import * as z from 'zod'
import type { ClientDriver, Connection } from '../driver.ts'

setTracingDisabled(true)

/** OpenAI's Agents SDK, over one of the two endpoints. */
function agentsSdk(useResponses: boolean): ClientDriver {
  return {
    name: useResponses ? '`@openai/agents`' : '`@openai/agents`, `useResponses: false`',
    package: '@openai/agents',
    endpoint: useResponses ? 'responses' : 'chat/completions',
    connect({ model, ...options }: Connection) {
      const runner = new Runner({
        modelProvider: new OpenAIProvider({ ...options, useResponses }),
      })
      const ask = async (
        settings: Partial<ConstructorParameters<typeof Agent>[0]>,
        input: AgentInputItem[],
        stream: boolean,
      ) => {
        const agent = new Agent({ name: 'Asker', model, ...settings } as { name: string })
        if (!stream) return await runner.run(agent, input)
        const result = await runner.run(agent, input, { stream: true })
        await result.completed
        return result
      }
      return {
        async twoTurns(first, second, stream) {
          const { history } = await ask({}, [user(first)], stream)
          return String((await ask({}, [...history, user(second)], stream)).finalOutput)
        },
        async toolLoop(question, { name, description, run }, stream) {
          const parameters = z.object({ city: z.string() })
          const tools = [tool({ name, description, parameters, execute: (input) => run(input) })]
          return String((await ask({ tools }, [user(question)], stream)).finalOutput)
        },
        async structured(question, schema, stream) {
          return (await ask({ outputType: schema as never }, [user(question)], stream)).finalOutput
        },
        async image(text, image, stream) {
          const content = [
            { type: 'input_text' as const, text },
            { type: 'input_image' as const, image },
          ]
          return String((await ask({}, [user(content)], stream)).finalOutput)
        },
      }
    },
  }
}

export const openaiAgents: readonly ClientDriver[] = [agentsSdk(true), agentsSdk(false)]
