import type { ChatMessage, ToolCallLLM } from '@llamaindex/core/llms'
import { tool } from '@llamaindex/core/tools'
import { OpenAI, OpenAIResponses } from '@llamaindex/openai'
import * as z from 'zod'
import type { ClientDriver } from '../driver.ts'

const noFormat = 'It passes no format on.'
const asked = [undefined, []]
const repeats = 'Its stream repeats the last piece of text with each event that follows.'
/** With the events that end the text, its part, its item and the response. Both pieces may come as one. */
const repeated = (before: string, last: string) => ({
  gives: [before + last.repeat(5), (before + last).repeat(5)],
})

/** Faults of its own, which it has at OpenAI too. */
const responsesLacks: NonNullable<ClientDriver['lacks']> = {
  'structured whole': { reason: noFormat, instead: { asked } },
  'structured streamed': {
    reason: noFormat,
    instead: { asked, throws: 'after JSON at position 31' },
  },
  'twoTurns streamed': { reason: repeats, instead: repeated('You asked ', 'for my name.') },
  'toolLoop streamed': {
    reason: 'Its stream runs no tool: `exec` looks for a call in the first event only.',
    instead: {
      ...repeated('It is ', 'sunny.'),
      ran: [],
      // It asks the same once more.
      sent: [{ role: 'user', has: 'How is Bern?' }],
    },
  },
  'image streamed': { reason: repeats, instead: repeated('A red ', 'pixel.') },
}

const textOf = (content: unknown) => (typeof content === 'string' ? content : '')

/** LlamaIndex's model of one of the two endpoints. */
function llamaIndex(Model: typeof OpenAI | typeof OpenAIResponses): ClientDriver {
  const isResponses = Model === OpenAIResponses
  return {
    name: isResponses ? '`@llamaindex/openai`, `OpenAIResponses`' : '`@llamaindex/openai`',
    package: '@llamaindex/openai',
    endpoint: isResponses ? 'responses' : 'chat/completions',
    ...(isResponses && { lacks: responsesLacks }),
    connect(connection) {
      const llm: ToolCallLLM = new Model({ ...connection, maxRetries: 0 })
      const ask = async (messages: ChatMessage[], stream: boolean, rest: object = {}) => {
        if (!stream) {
          const { message } = await llm.chat({ messages, ...rest })
          return textOf(message.content)
        }
        let text = ''
        const chunks = await llm.chat({ messages, stream: true, ...rest })
        for await (const { delta } of chunks) text += delta
        return text
      }
      return {
        async twoTurns(first, second, stream) {
          const messages: ChatMessage[] = [{ role: 'user', content: first }]
          messages.push({ role: 'assistant', content: await ask(messages, stream) })
          messages.push({ role: 'user', content: second })
          return await ask(messages, stream)
        },
        async toolLoop(content, { name, description, run }, stream) {
          const parameters = z.object({ city: z.string() })
          const tools = [tool({ name, description, parameters, execute: run })]
          const messages: ChatMessage[] = [{ role: 'user', content }]
          for (;;) {
            let text = ''
            if (stream) {
              const { stream: chunks, newMessages } = await llm.exec({ messages, tools, stream })
              for await (const { delta } of chunks) text += delta
              messages.push(...newMessages())
            } else {
              const { newMessages } = await llm.exec({ messages, tools })
              messages.push(...newMessages)
              text = textOf(newMessages.at(-1)?.content)
            }
            // After a call the last message is the tool's.
            if (messages.at(-1)?.role === 'assistant') return text
          }
        },
        async structured(content, schema, stream) {
          const responseFormat = { responseFormat: schema }
          return schema.parse(
            JSON.parse(await ask([{ role: 'user', content }], stream, responseFormat)),
          )
        },
        async image(text, url, stream) {
          const content = [
            { type: 'text' as const, text },
            { type: 'image_url' as const, image_url: { url } },
          ]
          return await ask([{ role: 'user', content }], stream)
        },
      }
    },
  }
}

export const llamaIndexDrivers: readonly ClientDriver[] = [
  llamaIndex(OpenAI),
  llamaIndex(OpenAIResponses),
]
