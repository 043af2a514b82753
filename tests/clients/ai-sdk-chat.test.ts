import { randomUUID } from 'node:crypto'
import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai'
import { describe, expect, it } from 'vitest'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { accessToken, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

/** The AI SDK's own transport, which checks each chunk against its schema. */
async function transportOf(person: Person) {
  const { url, publishableKey } = useStack()
  return new DefaultChatTransport({
    api: `${url}/functions/v1/agents/invoke`,
    headers: { apikey: publishableKey, authorization: `Bearer ${await accessToken(person)}` },
    prepareSendMessagesRequest: ({ messages }) => ({
      body: {
        agent: 'droid',
        message: { id: messages.at(-1)?.id, content: messages.at(-1)?.parts },
      },
    }),
  })
}

const send = async (person: Person, messages: UIMessage[]) =>
  (await transportOf(person)).sendMessages({
    chatId: 'chat',
    trigger: 'submit-message',
    messageId: undefined,
    messages,
    abortSignal: undefined,
  })

const userMessage = (text: string): UIMessage => ({
  id: randomUUID(),
  role: 'user',
  parts: [{ type: 'text', text }],
})

async function lastMessage(stream: ReadableStream<UIMessageChunk>) {
  let last: UIMessage | undefined
  let states = 0
  for await (const message of readUIMessageStream({ stream, terminateOnError: true })) {
    last = message
    states += 1
  }
  return { message: last, states }
}

describe('the AI SDK', () => {
  it('reads our stream with its own transport, token by token', async () => {
    const ann = await signUpWithOrganization('ann')
    const { message, states } = await lastMessage(await send(ann, [userMessage('Who are you?')]))
    const text = answerTo('Who are you?', 'anthropic/claude-3-opus')
    expect(message).toMatchObject({
      role: 'assistant',
      metadata: { agent: 'droid', model: 'claude-3-opus', finish_reason: 'stop' },
      parts: [{ type: 'step-start' }, { type: 'text', text, state: 'done' }],
    })
    expect(states).toBeGreaterThan(5)
    const { data } = await ann.client
      .from('chat_messages')
      .select('id, content')
      .eq('role', 'assistant')
    expect(data).toEqual([{ id: message?.id, content: text }])
  })
})
