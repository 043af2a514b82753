import type { DynamicToolUIPart } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { frame, gate } from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { addTenant, type Tenant } from '../support/agents/tool-agents.ts'
import { startToolServer, textAnswer, type ToolServer } from '../support/agents/tool-server.ts'
import { openDevice, type PlainChat } from '../support/clients/plain-chat.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let server: ToolServer
let ann: Tenant

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await addTenant(sql)
  server = await startToolServer({
    send: { description: 'Sends a letter.', run: ({ to }) => textAnswer(`sent to ${String(to)}`) },
  })
  await ann.addServer(server.endpoint, 'auto')
  return () => server.close()
})

const open = (id?: string) =>
  openDevice(ann.person, {
    agent: ann.agent,
    functions: scripted.baseURL.replace(/\/v1$/, ''),
    ...(id !== undefined && { id }),
  })
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
    scripted.answer([...steps.slice(0, 2), step, ...steps.slice(2)], { text: ['Sent.'] })
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
    expect(server.calls()).toEqual([{ to: 'Bob' }])
  })

  it.each([
    ['by the length of the answer', `${frame({}, { finish_reason: 'length' })}data: [DONE]\n\n`],
    ['by a broken connection', null],
  ])('is not made when it is cut %s, and says so', async (_, end) => {
    const { chat, transport } = open()
    scripted.answer(eventStream(end === null ? [beginning] : [beginning, end]))
    await chat.sendMessage({ text: 'Write to Bob' })
    expect(toolOf(chat)).toMatchObject({
      state: 'output-error',
      errorText: expect.stringMatching(/^tool_call_cut: /) as string,
    })
    expect(server.calls()).toEqual([])
    const loaded = await transport.loadMessages(chat.id)
    expect(JSON.stringify(loaded)).not.toContain('tools__send')
    scripted.answer({ text: ['Better.'] })
    await chat.sendMessage({ text: 'Go on' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Better.'])
  })

  it('is not made when the person stops the answer', async () => {
    const { chat } = open()
    const { step, open: goOn } = gate()
    scripted.answer([...eventStream([beginning]).slice(0, 2), step])
    const sending = chat.sendMessage({ text: 'Write to Bob' })
    await expect.poll(() => toolOf(chat)).toMatchObject({ state: 'input-streaming' })
    await chat.stop()
    await sending
    goOn()
    scripted.answer({ text: ['Still here.'] })
    await chat.sendMessage({ text: 'There?' })
    expect([chat.error, chat.text(), server.calls()]).toEqual([undefined, 'Still here.', []])
  })
})
