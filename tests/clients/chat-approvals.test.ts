import type { DynamicToolUIPart } from 'ai'
import { describe, expect, it } from 'vitest'
import type { PlainChat } from '../support/clients/plain-chat.ts'
import { prepareToolChat } from '../support/clients/tool-chat.ts'

const device = prepareToolChat('ask')
const { open } = device
const call = (id: string, to: string) => ({
  id,
  name: 'tools__send',
  arguments: JSON.stringify({ to }),
})
const toolsOf = (chat: PlainChat) =>
  chat.messages.flatMap(({ parts }) =>
    parts.filter((part): part is DynamicToolUIPart => part.type === 'dynamic-tool'),
  )
const states = (chat: PlainChat) => toolsOf(chat).map(({ state }) => state)
const decide = (chat: PlainChat, id: string, approved: boolean) =>
  chat.addToolApprovalResponse({ id, approved })
const settled = (chat: PlainChat) => expect.poll(() => [chat.error, chat.status, chat.text()])

describe('a tool call that a person must approve', () => {
  it('is made once it is approved, and the answer goes on in its message', async () => {
    const { chat, transport } = open()
    device.scripted.answer(
      { text: ['Let me. '], toolCalls: [call('c1', 'Bob')] },
      { text: ['Sent.'] },
    )
    await chat.sendMessage({ text: 'Write to Bob' })
    expect(states(chat)).toEqual(['approval-requested'])
    expect(device.server.calls()).toEqual([])

    await decide(chat, 'c1', true)
    await settled(chat).toEqual([undefined, 'ready', 'Let me. Sent.'])
    expect(states(chat)).toEqual(['output-available'])
    expect(device.server.calls()).toEqual([{ to: 'Bob' }])
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant'])

    const loaded = await transport.loadMessages(chat.id)
    expect(loaded.map(({ role }) => role)).toEqual(['user', 'assistant'])
    const again = open(chat.id)
    again.chat.messages = loaded
    expect([again.chat.text(), ...states(again.chat)]).toEqual([
      'Let me. Sent.',
      'output-available',
    ])
    expect(toolsOf(again.chat)[0]?.output).toEqual(toolsOf(chat)[0]?.output)
  })

  it('is not made when it is denied', async () => {
    const { chat } = open()
    device.scripted.answer({ toolCalls: [call('c1', 'Bob')] }, { text: ['I did not.'] })
    await chat.sendMessage({ text: 'Write to Bob' })
    await decide(chat, 'c1', false)
    await settled(chat).toEqual([undefined, 'ready', 'I did not.'])
    expect(states(chat)).toEqual(['output-denied'])
    expect(device.server.calls()).toEqual([])
  })

  it('waits for the decision on each of several calls, also after a reload', async () => {
    const first = open()
    const calls = [call('c1', 'Bob'), call('c2', 'Eve')]
    device.scripted.answer({ toolCalls: calls }, { text: ['Only Bob.'] }, { text: ['Bye.'] })
    await first.chat.sendMessage({ text: 'Write to both' })
    await decide(first.chat, 'c1', true)

    const { chat, transport } = open(first.chat.id)
    chat.messages = await transport.loadMessages(chat.id)
    expect(states(chat)).toEqual(['approval-requested', 'approval-requested'])
    await decide(chat, 'c1', true)
    await decide(chat, 'c2', false)
    await settled(chat).toEqual([undefined, 'ready', 'Only Bob.'])
    expect(states(chat)).toEqual(['output-available', 'output-denied'])
    expect(device.server.calls()).toEqual([{ to: 'Bob' }])

    await chat.sendMessage({ text: 'Bye' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Bye.'])
    // The conversation goes on from the continued answer, and is edited from there.
    await chat.sendMessage({ text: 'Goodbye', messageId: chat.messages[2]?.id ?? '' })
    expect(chat.error).toBeUndefined()
    expect(JSON.stringify(device.scripted.asked().at(-1)?.messages)).toContain('Only Bob.')
  })

  const onTwoDevices = async () => {
    const first = open()
    device.scripted.answer({ toolCalls: [call('c1', 'Bob')] }, { text: ['So be it.'] })
    await first.chat.sendMessage({ text: 'Write to Bob' })
    const second = open(first.chat.id)
    second.chat.messages = await second.transport.loadMessages(second.chat.id)
    expect(states(second.chat)).toEqual(['approval-requested'])
    return [first.chat, second.chat] as const
  }

  it('is made once when two devices approve it at once, and both show the answer', async () => {
    const chats = await onTwoDevices()
    await Promise.all(chats.map(async (chat) => decide(chat, 'c1', true)))
    for (const chat of chats) {
      await settled(chat).toEqual([undefined, 'ready', 'So be it.'])
      expect(states(chat)).toEqual(['output-available'])
    }
    expect(device.server.calls()).toEqual([{ to: 'Bob' }])
  })

  it('has one decision when two devices decide otherwise at once; the other one is told', async () => {
    const chats = await onTwoDevices()
    await Promise.all(chats.map(async (chat, index) => decide(chat, 'c1', index === 0)))
    for (const chat of chats) {
      await expect
        .poll(() => [chat.text(), ['ready', 'error'].includes(chat.status)])
        .toEqual(['So be it.', true])
    }
    const made = device.server.calls().length === 1
    // The one that decided otherwise shows the other decision, and says so.
    const [loser, winner] = made ? chats.toReversed() : chats
    expect([winner?.status, winner?.error]).toEqual(['ready', undefined])
    expect(loser?.error).toMatchObject({ code: 'tool_call_decided' })
    expect(loser?.error?.message).toMatch(/^[A-Z][^{}]*\.$/)
    for (const chat of chats)
      expect(states(chat)).toEqual([made ? 'output-available' : 'output-denied'])
    device.scripted.answer({ text: ['On.'] })
    await loser?.sendMessage({ text: 'Go on' })
    expect([loser?.error, loser?.text()]).toEqual([undefined, 'On.'])
  })
})
