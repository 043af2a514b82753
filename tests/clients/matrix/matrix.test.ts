import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAgent } from '../../support/agents/invoke.ts'
import { type ScriptedModel, startScriptedModel } from '../../support/agents/scripted-model.ts'
import { accessToken, signUpWithOrganization } from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'
import type { Connection } from './driver.ts'
import { drivers } from './drivers.ts'
import { toTable } from './table.ts'
import { verbs } from './verbs.ts'

const sql = connectOwner()
let scripted: ScriptedModel
let connection: Connection

beforeAll(async () => {
  scripted = await startScriptedModel()
  const ann = await signUpWithOrganization('ann')
  const agent = await createAgent(sql, ann.organization, ['openrouter'])
  connection = { baseURL: scripted.baseURL, apiKey: await accessToken(ann), model: agent }
})
afterAll(() => scripted.close())

describe.each(drivers.map((driver) => [driver.name, driver] as const))('%s', (_, driver) => {
  for (const stream of [false, true]) {
    const form = stream ? 'streamed' : 'whole'
    for (const row of verbs) {
      const lacks = driver.lacks?.[`${row.verb} ${form}`]
      // What a client lacks is tried too: the day on which it works, the table has to say so.
      const test = lacks === undefined ? it : it.fails
      const title = lacks === undefined ? 'works unmodified' : 'still lacks what it lacked'
      test(`${row.verb}, ${form}: ${title} at /v1/${driver.endpoint}`, async () => {
        scripted.answer(...row.says)
        const inputs: unknown[] = []
        const given = await row.use(driver.connect(connection), stream, inputs)
        expect(given).toEqual(row.gives)
        expect(inputs).toEqual(row.ran ?? [])
        const asked = scripted.asked()
        expect(asked).toHaveLength(row.says.length)
        const last = asked.at(-1)
        const messages = last?.messages.filter(({ role }) => role !== 'system') ?? []
        expect(messages.map(({ role }) => role)).toEqual(row.sent.map(({ role }) => role))
        for (const [index, { has }] of row.sent.entries()) {
          expect(JSON.stringify(messages[index])).toContain(has)
        }
        if (last && row.asks) expect(row.asks(last)).toEqual(row.asked)
        expect(asked.every((body) => (body['stream'] === true) === stream)).toBe(true)
      })
    }
  }
})

it('the table of clients in the documents is what these tests run', () => {
  const text = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8')
  expect(text).toContain(toTable(drivers))
})
