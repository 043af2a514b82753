import { afterAll, beforeAll, expect, it } from 'vitest'
import { png } from '../support/agents/files.ts'
import { createAgent } from '../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../support/agents/scripted-model.ts'
import { openDevice } from '../support/clients/plain-chat.ts'
import { signUpWithOrganization } from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let scripted: ScriptedModel

beforeAll(async () => {
  scripted = await startScriptedModel()
})
afterAll(() => scripted.close())

it('a chat uploads a file, shows it, sends its path, and shows it again after a reload', async () => {
  const ann = await signUpWithOrganization('ann')
  const agent = await createAgent(sql, ann.organization, ['openrouter'])
  const functions = scripted.baseURL.replace(/\/v1$/, '')
  const { chat, transport } = openDevice(ann, { agent, functions })
  const file = new File([new Uint8Array(png)], 'Meine Katze №1.png', { type: 'image/png' })
  const part = await transport.upload(chat.id, file)
  expect(Buffer.from(await (await fetch(part.url)).arrayBuffer())).toEqual(png)
  scripted.answer({ text: ['A cat.'] })
  await chat.sendMessage({ text: 'What is it?', files: [part] })
  expect([chat.error, chat.text()]).toEqual([undefined, 'A cat.'])
  expect(JSON.stringify(scripted.asked().at(-1)?.messages)).toContain(png.toString('base64'))

  const [message] = await openDevice(ann, { id: chat.id, agent, functions }).transport.loadMessages(
    chat.id,
  )
  const shown = message?.parts.find(({ type }) => type === 'file')
  expect(shown).toMatchObject({
    mediaType: 'image/png',
    filename: 'Meine Katze №1.png',
    providerMetadata: part.providerMetadata,
  })
  const { url } = shown as { url: string }
  expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(png)
})

it('a chat names the reason why a file is refused', async () => {
  const ann = await signUpWithOrganization('ann')
  const { chat, transport } = openDevice(ann, {})
  const file = new File(['x'], 'cat.exe', { type: 'image/png' })
  await expect(transport.upload(chat.id, file)).rejects.toMatchObject({
    code: 'file_type_not_allowed',
  })
})
