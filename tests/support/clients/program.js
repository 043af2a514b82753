// What an application does that has nothing but the package, in any runtime.
import { Agents, ColloquyChatTransport, ColloquyError, readEvents } from 'colloquy/client'

/** Asks for a whole answer, and makes an error. */
export async function askAgents({ token, ...options }) {
  const agents = new Agents({ ...options, accessToken: async () => token })
  const { message } = await agents.invoke({ agent: 'droid', message: { content: 'Whole?' } })
  const response = await agents.stream({ agent: 'droid', message: { content: 'Grüezi 👋?' } })
  let events = ''
  for await (const { data } of readEvents(response)) {
    const chunk = data === '[DONE]' ? {} : JSON.parse(data)
    if (chunk.type === 'text-delta') events += chunk.delta
  }
  const error = await agents.cancel('none').catch((thrown) => thrown)
  return { whole: message.content, events, code: error instanceof ColloquyError && error.code }
}

/** Talks over the transport. */
export async function chat({ token, id, ...options }) {
  const connection = { ...options, accessToken: async () => token }
  const transport = new ColloquyChatTransport({ ...connection, settings: { agent: 'droid' } })
  const parts = [{ type: 'text', text: 'Streamed?' }]
  const messages = [{ id: 'a', role: 'user', parts }]
  const stream = await transport.sendMessages({ chatId: id, messages, trigger: 'submit-message' })
  const reader = stream.getReader()
  let text = ''
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (next.value.type === 'text-delta') text += next.value.delta
  }
  const roles = (await transport.loadMessages(id)).map(({ role }) => role)
  return { text, roles }
}
