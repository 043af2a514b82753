import type { DynamicToolUIPart } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
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
  await ann.addServer(server.endpoint, 'ask')
  return () => server.close()
})

const open = (id?: string) =>
  openDevice(ann.person, {
    agent: ann.agent,
    functions: scripted.baseURL.replace(/\/v1$/, ''),
    ...(id !== undefined && { id }),
  })
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
    scripted.answer({ text: ['Let me. '], toolCalls: [call('c1', 'Bob')] }, { text: ['Sent.'] })
    await chat.sendMessage({ text: 'Write to Bob' })
    expect(states(chat)).toEqual(['approval-requested'])
    expect(server.calls()).toEqual([])

    await decide(chat, 'c1', true)
    await settled(chat).toEqual([undefined, 'ready', 'Let me. Sent.'])
    expect(states(chat)).toEqual(['output-available'])
    expect(server.calls()).toEqual([{ to: 'Bob' }])
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
    scripted.answer({ toolCalls: [call('c1', 'Bob')] }, { text: ['I did not.'] })
    await chat.sendMessage({ text: 'Write to Bob' })
    await decide(chat, 'c1', false)
    await settled(chat).toEqual([undefined, 'ready', 'I did not.'])
    expect(states(chat)).toEqual(['output-denied'])
    expect(server.calls()).toEqual([])
  })

  it('waits for the decision on each of several calls, also after a reload', async () => {
    const first = open()
    const calls = [call('c1', 'Bob'), call('c2', 'Eve')]
    scripted.answer({ toolCalls: calls }, { text: ['Only Bob.'] }, { text: ['Bye.'] })
    await first.chat.sendMessage({ text: 'Write to both' })
    await decide(first.chat, 'c1', true)

    const { chat, transport } = open(first.chat.id)
    chat.messages = await transport.loadMessages(chat.id)
    expect(states(chat)).toEqual(['approval-requested', 'approval-requested'])
    await decide(chat, 'c1', true)
    await decide(chat, 'c2', false)
    await settled(chat).toEqual([undefined, 'ready', 'Only Bob.'])
    expect(states(chat)).toEqual(['output-available', 'output-denied'])
    expect(server.calls()).toEqual([{ to: 'Bob' }])

    await chat.sendMessage({ text: 'Bye' })
    expect([chat.error, chat.text()]).toEqual([undefined, 'Bye.'])
    // The conversation goes on from the continued answer, and is edited from there.
    await chat.sendMessage({ text: 'Goodbye', messageId: chat.messages[2]?.id ?? '' })
    expect(chat.error).toBeUndefined()
    expect(JSON.stringify(scripted.asked().at(-1)?.messages)).toContain('Only Bob.')
  })
})
