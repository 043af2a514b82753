import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAgent } from '../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { openDevice } from '../support/clients/plain-chat.ts'
import { comeAnonymously, takeGuests } from '../support/people/guests.ts'
import { signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())

test('a guest talks in the chat of the AI SDK: two turns, an edit, a new answer, a reload', async () => {
  const { organization } = await signUpWithOrganization('support')
  const agent = await createAgent(sql, organization, ['openrouter'])
  await sql`update public.agents set open_to_guests = true where name = ${agent}`
  await takeGuests(sql, { organizationId: organization.id })
  const guest = await comeAnonymously(organization)
  const open = (id?: string) =>
    openDevice(guest, {
      agent,
      functions: scripted.baseURL.replace(/\/v1$/, ''),
      ...(id !== undefined && { id }),
    })
  const { chat } = open()
  scripted.answer(
    ...['Tomorrow.', 'You are welcome.', 'On Monday.', 'On Monday morning.'].map((text) => ({
      text: [text],
    })),
  )
  await chat.sendMessage({ text: 'When does it come?' })
  await chat.sendMessage({ text: 'Thanks' })
  expect([chat.error, chat.text()]).toEqual([undefined, 'You are welcome.'])
  await chat.sendMessage({ text: 'When does the other one come?', messageId: chat.messages[2]!.id })
  expect([chat.error, chat.text()]).toEqual([undefined, 'On Monday.'])
  await chat.regenerate()
  expect([chat.error, chat.text()]).toEqual([undefined, 'On Monday morning.'])

  const again = open(chat.id)
  again.chat.messages = await again.transport.loadMessages(chat.id)
  const said = again.chat.messages.map(({ parts }) =>
    parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(),
  )
  expect(said).toEqual([
    'When does it come?',
    'Tomorrow.',
    'When does the other one come?',
    'On Monday morning.',
  ])
})
