import type { DynamicToolUIPart } from 'ai'
import { describe, expect, it } from 'vitest'
import { frame, gate } from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import type { PlainChat } from '../support/clients/plain-chat.ts'
import { prepareToolChat } from '../support/clients/tool-chat.ts'

const device = prepareToolChat('auto')
const { open } = device
const toolOf = (chat: PlainChat) =>
  chat.messages
    .flatMap(({ parts }) => parts)
    .find((part): part is DynamicToolUIPart => part.type === 'dynamic-tool')
const piece = (called: object) => frame({ tool_calls: [{ index: 0, ...called }] })
const beginning = piece({ id: 'c1', function: { name: 'tools__send', arguments: '{"to":"Bo' } })
const toolCalls = `${frame({}, { finish_reason: 'tool_calls' })}data: [DONE]\n\n`

describe('a tool call, while the model writes it', () => {
  it('is shown as far as it has come, also to a device that comes in later', async () => {
    const first = open()
    const { step, open: goOn } = gate()
    const steps = eventStream([beginning, piece({ function: { arguments: 'b"}' } }), toolCalls])
    device.scripted.answer([...steps.slice(0, 2), step, ...steps.slice(2)], { text: ['Sent.'] })
    const sending = first.chat.sendMessage({ text: 'Write to Bob' })
    await expect
      .poll(() => toolOf(first.chat))
      .toMatchObject({ state: 'input-streaming', toolName: 'tools__send', input: { to: 'Bo' } })

    const { chat, transport } = open(first.chat.id)
    chat.messages = await transport.loadMessages(chat.id)
    const resumed = chat.resumeStream()
    await expect.poll(() => toolOf(chat)).toMatchObject({ state: 'input-streaming' })
    goOn()
    await Promise.all([sending, resumed])
    for (const one of [first.chat, chat]) {
      expect([one.error, one.text()]).toEqual([undefined, 'Sent.'])
      expect(toolOf(one)).toMatchObject({ state: 'output-available', input: { to: 'Bob' } })
    }
    expect(device.server.calls()).toEqual([{ to: 'Bob' }])
  })

  it.each([
    ['by the length of the answer', `${frame({}, { finish_reason: 'length' })}data: [DONE]\n\n`],
    ['by a broken connection', null],
  ])('is not made when it is cut %s, and says so', async (_, end) => {
    const { chat, transport } = open()
    device.scripted.answer(eventStream(end === null ? [beginning] : [beginning, end]))
    await chat.sendMessage({ text: 'Write to Bob' })
    expect(toolOf(chat)).toMatchObject({
      state: 'output-error',
      errorText: expect.stringMatching(/^tool_call_cut: /) as string,
    })
    expect(device.server.calls()).toEqual([])
    const loaded = await transport.loadMessages(chat.id)
    expect(JSON.stringify(loaded)).not.toContain('tools__send')
    device.scripted.answer({ text: ['Better.'] })
    await chat.sendMessage({ text: 'Go on' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Better.'])
  })

  it('is not made when the person stops the answer', async () => {
    const { chat } = open()
    const { step, open: goOn } = gate()
    device.scripted.answer([...eventStream([beginning]).slice(0, 2), step])
    const sending = chat.sendMessage({ text: 'Write to Bob' })
    await expect.poll(() => toolOf(chat)).toMatchObject({ state: 'input-streaming' })
    await chat.stop()
    await sending
    goOn()
    device.scripted.answer({ text: ['Still here.'] })
    await chat.sendMessage({ text: 'There?' })
    expect([chat.error, chat.text(), device.server.calls()]).toEqual([undefined, 'Still here.', []])
  })
})
