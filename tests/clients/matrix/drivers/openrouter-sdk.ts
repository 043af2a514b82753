import { OpenRouter } from '@openrouter/sdk'
import type { ChatMessages, ChatRequest, ChatToolCall } from '@openrouter/sdk/models'
import * as z from 'zod'
import type { ClientDriver } from '../driver.ts'

interface Said {
  text: string
  toolCalls: ChatToolCall[]
}

const textOf = (content: unknown) => (typeof content === 'string' ? content : '')

export const openrouterSdk: ClientDriver = {
  name: '`@openrouter/sdk`',
  package: '@openrouter/sdk',
  endpoint: 'chat/completions',
  connect({ baseURL, apiKey, model }) {
    const client = new OpenRouter({ apiKey, serverURL: baseURL, retryConfig: { strategy: 'none' } })
    const ask = async (body: Omit<ChatRequest, 'model'>, stream: boolean): Promise<Said> => {
      if (!stream) {
        const result = await client.chat.send({ chatRequest: { ...body, model, stream: false } })
        if (!('choices' in result)) throw new Error('a stream came back')
        const message = result.choices[0]?.message
        return { text: textOf(message?.content), toolCalls: message?.toolCalls ?? [] }
      }
      const chunks = await client.chat.send({ chatRequest: { ...body, model, stream: true } })
      if ('choices' in chunks) throw new Error('a whole answer came back')
      const said: Said = { text: '', toolCalls: [] }
      for await (const { choices } of chunks) {
        said.text += choices[0]?.delta.content ?? ''
        for (const { index, id, function: piece } of choices[0]?.delta.toolCalls ?? []) {
          const call = (said.toolCalls[index] ??= {
            id: id ?? '',
            type: 'function',
            function: { name: piece?.name ?? '', arguments: '' },
          })
          call.function.arguments += piece?.arguments ?? ''
        }
      }
      return said
    }
    return {
      async twoTurns(first, second, stream) {
        const messages: ChatMessages[] = [{ role: 'user', content: first }]
        messages.push({ role: 'assistant', content: (await ask({ messages }, stream)).text })
        messages.push({ role: 'user', content: second })
        return (await ask({ messages }, stream)).text
      },
      async toolLoop(content, { name, description, run }, stream) {
        const parameters = z.toJSONSchema(z.object({ city: z.string() }))
        const tools = [{ type: 'function' as const, function: { name, description, parameters } }]
        const messages: ChatMessages[] = [{ role: 'user', content }]
        for (;;) {
          const { text, toolCalls } = await ask({ messages, tools }, stream)
          if (toolCalls.length === 0) return text
          messages.push({ role: 'assistant', content: null, toolCalls })
          for (const call of toolCalls) {
            const result = run(JSON.parse(call.function.arguments) as { city: string })
            messages.push({ role: 'tool', toolCallId: call.id, content: result })
          }
        }
      },
      async structured(content, schema, stream) {
        const jsonSchema = { name: 'value', schema: z.toJSONSchema(schema), strict: true }
        const { text } = await ask(
          {
            messages: [{ role: 'user', content }],
            responseFormat: { type: 'json_schema', jsonSchema },
          },
          stream,
        )
        return schema.parse(JSON.parse(text))
      },
      async image(text, url, stream) {
        const content = [
          { type: 'text' as const, text },
          { type: 'image_url' as const, imageUrl: { url } },
        ]
        return (await ask({ messages: [{ role: 'user', content }] }, stream)).text
      },
    }
  },
}
