import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { json } from '../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { createAgent } from '../support/agents/invoke.ts'
import { openDevice } from '../support/clients/plain-chat.ts'
import { signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())

const tooLong = [
  json(400, { error: { code: 'context_length_exceeded', message: 'too long', type: 'x' } }),
]

describe('a conversation that outgrew its model', () => {
  it('goes on without its oldest turns, keeps them, and says so in stream and record', async () => {
    const ann = await signUpWithOrganization('ann')
    const agent = await createAgent(sql, ann.organization, ['openrouter'])
    const functions = scripted.baseURL.replace(/\/v1$/, '')
    const { chat, transport } = openDevice(ann, { agent, functions })
    scripted.answer({ text: ['One.'] }, { text: ['Two.'] }, tooLong, { text: ['Three.'] })
    for (const text of ['First', 'Second', 'Third']) await chat.sendMessage({ text })

    expect([chat.error, chat.text()]).toEqual([undefined, 'Three.'])
    const asked = scripted.asked().map(({ messages }) => messages.map(({ content }) => content))
    expect(asked.slice(2)).toEqual([['First', 'One.', 'Second', 'Two.', 'Third'], ['Third']])
    expect(chat.messages.at(-1)?.metadata).toMatchObject({ trimmed_messages: 4 })
    const [execution] = await sql`
      select status, metadata from public.agent_executions
      where session_id = ${chat.id} order by created_at desc limit 1`
    expect(execution).toMatchObject({ status: 'success', metadata: { trimmed_messages: 4 } })
    expect(await transport.loadMessages(chat.id)).toHaveLength(6)
  })
})
