import { expect, it } from 'vitest'
import type { UIMessage } from 'ai'
import { type Person, signUpAsMember } from '../support/people/people.ts'
import { useChatStage } from '../support/clients/chat-stage.ts'
import type { Device } from '../support/clients/plain-chat.ts'
import { connectOwner } from '../support/stack/database.ts'

const stage = useChatStage()
const { open, says, asked, waiting } = stage
const sql = connectOwner()

async function signUpAnswerer(): Promise<Person> {
  const person = await signUpAsMember(sql, stage.ann.organization, 'bob')
  await sql`update client_mgmt.client_users set permissions = '{sessions.answer}'
    where user_id = ${person.id}`
  await sql`update public.users set display_name = 'Bob' where id = ${person.id}`
  return person
}

const share = (id: string) =>
  sql`update public.chat_sessions set visibility = 'organization' where id = ${id}`

async function act(person: Person, name: string, args: object): Promise<void> {
  const { error } = await person.client.rpc(name as never, args as never)
  if (error !== null) throw error
}

/** What a page shows of a message: its text, or the notice that a person answers. */
const shown = ({ role, parts }: UIMessage) =>
  `${role}: ${parts.map((part) => (part.type === 'text' ? part.text : part.type === 'data-person' ? '(person)' : '')).join('')}`

/** As a page does when `watchSession` calls it. */
async function reload({ chat, transport }: Device): Promise<string[]> {
  chat.messages = await transport.loadMessages(chat.id)
  return chat.messages.map(shown)
}

it('a chat shows that a person answers, then the answer, and again the model’s after the hand-back', async () => {
  const device = open()
  const { chat } = device
  says('From the model.')
  await chat.sendMessage({ text: 'Hi' })
  await share(chat.id)
  const bob = await signUpAnswerer()
  await act(bob, 'take_over_session', { session_id: chat.id })

  await chat.sendMessage({ text: 'Is anyone there?' })
  expect([chat.status, chat.error]).toEqual(['ready', undefined])
  expect(chat.messages.map(shown)).toEqual([
    'user: Hi',
    'assistant: From the model.',
    'user: Is anyone there?',
    'assistant: (person)',
  ])
  expect(chat.messages.at(-1)?.metadata).toMatchObject({ finish_reason: 'person_answers' })

  await act(bob, 'answer_session', { session_id: chat.id, content: 'Yes, Bob is.' })
  await act(bob, 'answer_session', { session_id: chat.id, content: 'How can I help?' })
  expect(await reload(device)).toEqual([
    'user: Hi',
    'assistant: From the model.',
    'user: Is anyone there?',
    'assistant: Yes, Bob is.',
    'assistant: How can I help?',
  ])
  expect(chat.messages.at(-1)?.metadata).toEqual({ author: { type: 'person', name: 'Bob' } })
  // Nothing is left to resume: a page that was loaded anew shows no second notice.
  await chat.resumeStream()
  expect(chat.messages).toHaveLength(5)

  await chat.sendMessage({ text: 'With my refund.' })
  expect(shown(chat.messages.at(-1) as UIMessage)).toBe('assistant: (person)')
  await chat.regenerate()
  expect(shown(chat.messages.at(-1) as UIMessage)).toBe('assistant: (person)')
  await act(bob, 'hand_back_session', { session_id: chat.id })
  says('Here it is.')
  await chat.regenerate()
  expect([chat.error, chat.text()]).toEqual([undefined, 'Here it is.'])
  expect(asked()?.slice(-3)).toEqual([
    'assistant: [A person, Bob, answered:]\nYes, Bob is.',
    'assistant: [A person, Bob, answered:]\nHow can I help?',
    'user: With my refund.',
  ])
  expect((await reload(open({ id: chat.id }))).at(-1)).toBe('assistant: Here it is.')
})

it('an answer that a take-over stops ends the chat’s stream without an error, with the notice', async () => {
  const { chat } = open()
  const go = waiting()
  const sent = chat.sendMessage({ text: 'Hi' })
  await expect.poll(() => chat.text(), { timeout: 10_000 }).toBe('Part one.')
  await share(chat.id)
  const bob = await signUpAnswerer()
  await act(bob, 'take_over_session', { session_id: chat.id })
  await sent
  go()
  expect([chat.status, chat.error]).toEqual(['ready', undefined])
  expect(shown(chat.messages.at(-1) as UIMessage)).toBe('assistant: Part one.(person)')
})
