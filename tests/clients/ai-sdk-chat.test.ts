import { randomUUID } from 'node:crypto'
import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai'
import { describe, expect, it } from 'vitest'
import { answerTo } from '../../dev/functions/model-server.ts'
import {
  accessToken,
  type Person,
  signInAgain,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

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

describe('useChat that comes back', () => {
  /** The transport of useChat, told how to find the running execution of a session. */
  async function resumingTransport(person: Person) {
    const { url, publishableKey } = useStack()
    const api = `${url}/functions/v1/agents`
    return new DefaultChatTransport({
      api: `${api}/invoke`,
      headers: { apikey: publishableKey, authorization: `Bearer ${await accessToken(person)}` },
      prepareReconnectToStreamRequest: async ({ id }) => {
        const { data } = await person.client
          .from('agent_executions')
          .select('id')
          .eq('session_id', id)
          .order('created_at', { ascending: false })
          .limit(1)
          .single()
        return { api: `${api}/executions/${data?.id}/stream` }
      },
    })
  }

  it('reads the whole message on another device while it is written', async () => {
    const ann = await signUpWithOrganization('ann')
    const question = 'Tell me everything about resuming a stream on another device, please.'
    const live = (await send(ann, [userMessage(question)])).getReader()
    const first = await live.read()
    const { session_id } = (first.value as { messageMetadata: { session_id: string } })
      .messageMetadata
    const transport = await resumingTransport(await signInAgain(ann))
    const stream = await transport.reconnectToStream({ chatId: session_id })
    expect(stream).not.toBeNull()
    const { message } = await lastMessage(stream as ReadableStream<UIMessageChunk>)
    const text = answerTo(question, 'anthropic/claude-3-opus')
    expect(message).toMatchObject({
      metadata: { session_id, finish_reason: 'stop' },
      parts: [{ type: 'step-start' }, { type: 'text', text, state: 'done' }],
    })
    await live.cancel()
  })

  it('has nothing to resume when it has everything', async () => {
    const ann = await signUpWithOrganization('ann')
    const first = await lastMessage(await send(ann, [userMessage('Hi')]))
    const { session_id } = first.message?.metadata as { session_id: string }
    const transport = await resumingTransport(ann)
    const headers = { 'last-event-id': '999999' }
    expect(await transport.reconnectToStream({ chatId: session_id, headers })).toBeNull()
  })

  it('asks again with regenerate, as its transport says', async () => {
    const ann = await signUpWithOrganization('ann')
    const first = await lastMessage(await send(ann, [userMessage('Hi')]))
    const { session_id } = first.message?.metadata as { session_id: string }
    const { url, publishableKey } = useStack()
    const transport = new DefaultChatTransport({
      api: `${url}/functions/v1/agents/invoke`,
      headers: { apikey: publishableKey, authorization: `Bearer ${await accessToken(ann)}` },
      prepareSendMessagesRequest: ({ trigger, messageId, messages }) => ({
        body:
          trigger === 'regenerate-message'
            ? { session_id, regenerate: messageId }
            : { session_id, message: { content: messages.at(-1)?.parts } },
      }),
    })
    const again = await lastMessage(
      await transport.sendMessages({
        chatId: session_id,
        trigger: 'regenerate-message',
        messageId: first.message?.id,
        messages: [],
        abortSignal: undefined,
      }),
    )
    expect(again.message?.id).not.toBe(first.message?.id)
    const { data } = await ann.client
      .from('chat_messages')
      .select('id, parent_id')
      .eq('role', 'assistant')
    expect(data?.map(({ id }) => id).sort()).toEqual([first.message?.id, again.message?.id].sort())
    expect(new Set(data?.map(({ parent_id }) => parent_id)).size).toBe(1)
  })
})
