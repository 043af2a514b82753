import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import * as z from 'zod'
import type { ClientDriver, ClientTool } from '../driver.ts'

type Messages = OpenAI.ChatCompletionMessageParam[]

const runnable = ({ name, description, run }: ClientTool) => ({
  type: 'function' as const,
  function: {
    name,
    description,
    parameters: z.toJSONSchema(z.object({ city: z.string() })) as Record<string, unknown>,
    parse: (text: string) => JSON.parse(text) as { city: string },
    function: (input: { city: string }) => run(input),
  },
})

export const openaiChat: ClientDriver = {
  name: '`openai`, chat completions',
  package: 'openai',
  endpoint: 'chat/completions',
  connect({ model, ...options }) {
    const client = new OpenAI({ ...options, maxRetries: 0 })
    const ask = async (messages: Messages, stream: boolean) => {
      if (!stream) {
        const { choices } = await client.chat.completions.create({ model, messages })
        return choices[0]?.message as OpenAI.ChatCompletionMessage
      }
      const streamed = client.chat.completions.stream({ model, messages })
      return await streamed.finalMessage()
    }
    return {
      async twoTurns(first, second, stream) {
        const messages: Messages = [{ role: 'user', content: first }]
        messages.push(await ask(messages, stream), { role: 'user', content: second })
        return (await ask(messages, stream)).content ?? ''
      },
      async toolLoop(content, tool, stream) {
        const body = { model, messages: [{ role: 'user', content }] as Messages }
        const tools = [runnable(tool)]
        const runner = stream
          ? client.chat.completions.runTools({ ...body, tools, stream })
          : client.chat.completions.runTools({ ...body, tools })
        return (await runner.finalContent()) ?? ''
      },
      async structured(content, schema, stream) {
        const response_format = zodResponseFormat(schema, 'value')
        const body = { model, messages: [{ role: 'user', content }] as Messages, response_format }
        const { choices } = stream
          ? await client.chat.completions.stream(body).finalChatCompletion()
          : await client.chat.completions.parse(body)
        return choices[0]?.message.parsed
      },
      async image(text, url, stream) {
        const content = [
          { type: 'text' as const, text },
          { type: 'image_url' as const, image_url: { url } },
        ]
        return (await ask([{ role: 'user', content }], stream)).content ?? ''
      },
    }
  },
}
