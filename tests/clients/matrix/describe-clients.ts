import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAgent } from '../../support/agents/invoke.ts'
import {
  type AskedBody,
  type ScriptedModel,
  startScriptedModel,
} from '../../support/agents/scripted-model.ts'
import { accessToken, signUpWithOrganization } from '../../support/people/people.ts'
import { connectOwner } from '../../support/stack/database.ts'
import type { ClientRow, Connection, Verb } from './driver.ts'
import { type VerbRow, verbs } from './verbs.ts'

/** One use of a client. */
export interface Use {
  /** The client's name. */
  readonly client: string
  readonly verb: Verb
  readonly stream: boolean
  readonly connection: Connection
}

/** What came of it: what the client gave, and the inputs with which its own tool ran. */
export interface Used {
  readonly given: unknown
  readonly inputs: readonly unknown[]
}

/** Registers a test for each verb of each client, whole and streamed, over a model that is scripted. */
export function describeClients(
  clients: readonly ClientRow[],
  use: (use: Use) => Promise<Used>,
): void {
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

  describe.each(clients.map((client) => [client.name, client] as const))('%s', (_, client) => {
    for (const stream of [false, true]) {
      for (const row of verbs) {
        const form = stream ? 'streamed' : 'whole'
        // A fault is tested too: the day on which it is mended, the table has to say so.
        const fault = client.lacks?.[`${row.verb} ${form}`]
        const title = fault ? 'has the fault that the documents tell' : 'works unmodified'
        it(`${row.verb}, ${form}: ${title} at /v1/${client.endpoint}`, async () => {
          scripted.answer(...row.says)
          const using = use({ client: client.name, verb: row.verb, stream, connection })
          const { throws, gives, ...instead } = fault?.instead ?? {}
          const expected = { ...row, ...instead }
          if (throws === undefined) {
            const { given, inputs } = await using
            expect(gives ?? [row.gives]).toContainEqual(given)
            expect(inputs).toEqual(expected.ran ?? [])
          } else await expect(using).rejects.toThrow(throws)
          expectAsked(expected, scripted.asked(), stream)
        })
      }
    }
  })
}

function expectAsked(row: VerbRow, asked: readonly AskedBody[], stream: boolean): void {
  expect(asked).toHaveLength(row.says.length)
  const last = asked.at(-1)
  const messages = last?.messages.filter(({ role }) => role !== 'system') ?? []
  expect(messages.map(({ role }) => role)).toEqual(row.sent.map(({ role }) => role))
  for (const [index, { has }] of row.sent.entries()) {
    expect(JSON.stringify(messages[index])).toContain(has)
  }
  if (last && row.asks) expect(row.asks(last)).toEqual(row.asked)
  expect(asked.every((body) => (body['stream'] === true) === stream)).toBe(true)
}
