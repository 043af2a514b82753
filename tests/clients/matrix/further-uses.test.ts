import { readFileSync } from 'node:fs'
import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import { root } from '../../../dev/check/command.ts'
import { createAgent } from '../../support/agents/invoke.ts'
import { json } from '../../support/agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../../support/agents/scripted-model.ts'
import { accessToken, signUpWithOrganization } from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'
import type { Connection } from './driver.ts'
import { embedders, followers } from './further-uses.ts'
import { toFurtherTable } from './table.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let connection: Connection
let vectors: string

beforeAll(async () => {
  scripted = await startScriptedModel()
  const ann = await signUpWithOrganization('ann')
  const agent = await createAgent(sql, ann.organization, ['openrouter'])
  connection = { baseURL: scripted.baseURL, apiKey: await accessToken(ann), model: agent }
  vectors = `${agent}/vectors`
  await sql`
    insert into public.models
      (organization_id, agent_id, name, display_name, provider, model_id, capabilities)
    select organization_id, id, 'vectors', 'Vectors', 'openrouter', ${vectors}, '{embeddings}'
    from public.agents where name = ${agent}`
})
afterAll(() => scripted.close())

describe('embeddings', () => {
  it.each(embedders)('work unmodified with $client', async ({ use }) => {
    const all = [
      [0.5, -2],
      [0.25, 4],
    ]
    const data = all.map((embedding, index) => ({ object: 'embedding', index, embedding }))
    const usage = { prompt_tokens: 8, total_tokens: 8 }
    scripted.answer([json(200, { object: 'list', data, model: 'scripted', usage })])
    const made = await use({ ...connection, model: vectors }, ['Bern', 'Oslo'])
    expect(made.map((vector) => [...vector])).toEqual(all)
    expect(scripted.asked()).toMatchObject([{ model: vectors, input: ['Bern', 'Oslo'] }])
  })
})

describe('a question that names the response before it', () => {
  it.each(followers)('works unmodified with $client', async ({ use }) => {
    scripted.answer({ text: ['My name is Droid.'] }, { text: ['You asked for my name.'] })
    expect(await use(connection, 'Who are you?', 'What did I ask?')).toBe('You asked for my name.')
    const [, last] = scripted.asked()
    expect(last?.messages.filter(({ role }) => role !== 'system')).toEqual([
      { role: 'user', content: 'Who are you?' },
      { role: 'assistant', content: 'My name is Droid.' },
      { role: 'user', content: 'What did I ask?' },
    ])
  })
})

it('the table of further uses in the documents is what these tests run', () => {
  const text = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8')
  const table = toFurtherTable({ embeddings: embedders, previous_response_id: followers }, root)
  expect(text).toContain(table)
})
