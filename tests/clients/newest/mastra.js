// Mastra, as its own documentation writes it.
import { Agent } from '@mastra/core/agent'
import { createTool } from '@mastra/core/tools'
import * as z from 'zod'
import { mastraRows } from '../matrix/newest-clients.ts'

/** Mastra's agent with a model that has an address of its own, over one of the two endpoints. */
function connect(api, { baseURL: url, apiKey, model }) {
  const ask = async (messages, stream, { tools = {}, ...options } = {}) => {
    const agent = new Agent({
      id: 'asker',
      name: 'Asker',
      instructions: 'You answer.',
      model: { providerId: 'colloquy', modelId: model, url, apiKey, api },
      maxRetries: 0,
      tools,
    })
    if (!stream) return await agent.generate(messages, options)
    const output = await agent.stream(messages, options)
    await output.consumeStream()
    const { messages: response } = await output.response
    return {
      text: await output.text,
      object: await output.object,
      response: { messages: response },
    }
  }
  const user = (content) => ({ role: 'user', content })
  return {
    async twoTurns(first, second, stream) {
      const { response } = await ask([user(first)], stream)
      return (await ask([user(first), ...response.messages, user(second)], stream)).text
    },
    async toolLoop(question, { name, description, run }, stream) {
      const inputSchema = z.object({ city: z.string() })
      const called = createTool({
        id: name,
        description,
        inputSchema,
        execute: async (input) => run(input),
      })
      return (await ask([user(question)], stream, { tools: { [name]: called }, maxSteps: 3 })).text
    },
    async structured(question, schema, stream) {
      return (await ask([user(question)], stream, { structuredOutput: { schema } })).object
    },
    async image(text, image, stream) {
      const content = [
        { type: 'text', text },
        { type: 'image', image, mediaType: 'image/png' },
      ]
      return (await ask([user(content)], stream)).text
    },
  }
}

export const mastra = mastraRows.map((row) => ({
  ...row,
  connect: (connection) => connect(row.endpoint === 'responses' ? 'responses' : 'chat', connection),
}))
