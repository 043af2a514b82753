import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Elicitation } from '../../client/index.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { addTenant, type Tenant } from '../support/agents/tool-agents.ts'
import { startToolServer, textAnswer, type ToolServer } from '../support/agents/tool-server.ts'
import { openDevice, type PlainChat } from '../support/clients/plain-chat.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let server: ToolServer
let ann: Tenant
let answers: unknown[]

const requestedSchema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
}

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())
beforeEach(async () => {
  ann = await addTenant(sql)
  server = await startToolServer({ book: {} })
  answers = []
  server.intercept = ({ method, id, params }, _request, response) => {
    if (method !== 'tools/call') return false
    const { inputResponses } = params ?? {}
    answers.push(inputResponses)
    const where = { method: 'elicitation/create', params: { message: 'Where?', requestedSchema } }
    const result =
      answers.length <= 2
        ? { resultType: 'input_required', inputRequests: { where }, requestState: 's' }
        : { resultType: 'complete', ...textAnswer('booked') }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    return true
  }
  await ann.addServer(server.endpoint, 'auto')
  return () => server.close()
})

const open = (id?: string) =>
  openDevice(ann.person, {
    agent: ann.agent,
    functions: scripted.baseURL.replace(/\/v1$/, ''),
    ...(id !== undefined && { id }),
  })
const partsOf = (chat: PlainChat) => chat.messages.flatMap(({ parts }) => parts)
const askedIn = (chat: PlainChat) =>
  partsOf(chat).flatMap((part) =>
    part.type === 'data-elicitation' && 'data' in part ? [part.data as Elicitation] : [],
  )
const toolStates = (chat: PlainChat) =>
  partsOf(chat).flatMap((part) => (part.type === 'dynamic-tool' ? [part.state] : []))
const rome = { where: { action: 'accept', content: { city: 'Rome' } } } as const

it('a person answers what a tool asks, also after a reload, and the answer goes on', async () => {
  const { chat, transport } = open()
  const call = { id: 'c1', name: 'tools__book', arguments: '{}' }
  scripted.answer({ text: ['Let me. '], toolCalls: [call] }, { text: ['Booked.'] })
  await chat.sendMessage({ text: 'Book a room' })
  expect(askedIn(chat)).toMatchObject([{ server: 'tools', tool: 'book', round: 1 }])
  const [first] = askedIn(chat)
  if (!first) throw new Error('nothing was asked')
  await transport.answer(chat.id, first, rome)
  await chat.resumeStream()
  await expect.poll(() => askedIn(chat).at(-1)).toMatchObject({ round: 2 })

  // The round that asked again has no message, and a reload does not read its stream once more.
  const reloaded = open(chat.id)
  reloaded.chat.messages = await reloaded.transport.loadMessages(chat.id)
  expect(reloaded.chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
  expect(toolStates(reloaded.chat)).toEqual(['input-available'])
  const [second, ...more] = askedIn(reloaded.chat)
  expect(more).toEqual([])
  expect(second).toEqual(askedIn(chat).at(-1))
  await reloaded.chat.resumeStream()
  expect(reloaded.chat.messages).toHaveLength(2)
  if (!second) throw new Error('nothing is asked after the reload')
  await reloaded.transport.answer(chat.id, second, rome)
  await reloaded.chat.resumeStream()
  await expect.poll(() => reloaded.chat.text()).toMatch(/Booked\.$/)
  expect(answers).toEqual([undefined, rome, rome])

  const last = open(chat.id)
  last.chat.messages = await last.transport.loadMessages(chat.id)
  expect(last.chat.text()).toBe('Let me. Booked.')
  expect(toolStates(last.chat)).toEqual(['output-available'])
  expect(askedIn(last.chat)).toEqual([])
})
