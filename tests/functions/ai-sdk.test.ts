import { randomUUID } from 'node:crypto'
import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai'
import { describe, expect, it } from 'vitest'
import { answerTo } from '../../dev/model-server.ts'
import { accessToken, type Person, signUpWithOrganization } from '../support/people.ts'
import { useStack } from '../support/stack.ts'

/** The transport of useChat, told what our body looks like. */
async function transportOf(person: Person, rest: object = {}) {
  const { url, publishableKey } = useStack()
  return new DefaultChatTransport({
    api: `${url}/functions/v1/agents/invoke`,
    headers: { apikey: publishableKey, authorization: `Bearer ${await accessToken(person)}` },
    prepareSendMessagesRequest: ({ messages }) => ({
      body: {
        agent: 'droid',
        message: { id: messages.at(-1)?.id, content: messages.at(-1)?.parts },
        ...rest,
      },
    }),
  })
}

const send = async (person: Person, messages: UIMessage[], rest: object = {}) =>
  (await transportOf(person, rest)).sendMessages({
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

  it('goes on in the session that the metadata names', async () => {
    const ann = await signUpWithOrganization('ann')
    const first = await lastMessage(await send(ann, [userMessage('First')]))
    const { session_id } = first.message?.metadata as { session_id: string }
    const second = await lastMessage(await send(ann, [userMessage('Second')], { session_id }))
    expect(second.message?.metadata).toMatchObject({ session_id })
  })

  it('throws on a refusal, with our envelope as its message', async () => {
    const ann = await signUpWithOrganization('ann')
    await expect(send(ann, [userMessage('Hi')], { agent: 'absent' })).rejects.toThrow(
      'agent_not_found',
    )
  })
})
