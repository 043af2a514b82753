import { afterAll, beforeAll } from 'vitest'
import type { Person } from '../people/people.ts'
import { untilServed } from '../stack/until-answered.ts'
import { type AgentsWorker, startAgentsWorker } from './agents-worker.ts'
import { type Chunk, chunksOf } from './tool-agents.ts'
import { type ToolFixture, useToolAgents } from './tool-fixture.ts'
import { textAnswer } from './tool-server.ts'

export interface Decision {
  tool_call_id: string
  status: string
  waiting: number
  execution_id: string | null
}

export const send = { name: 'tools__send', args: { to: 'Bob' } }

/** Registers the hooks of a tool fixture with a second worker, in which calls are decided. */
export function useApprovals() {
  const made = useToolAgents({
    send: { description: 'Sends a letter.', run: ({ to }) => textAnswer(`sent to ${String(to)}`) },
    look: { description: 'Looks.', run: () => textAnswer('seen') },
  })
  let elsewhere: AgentsWorker
  beforeAll(async () => {
    elsewhere = await startAgentsWorker(variablesOf(made))
  })
  afterAll(() => elsewhere.close())

  /** From another worker, as another device would. */
  const post = (path: string, body: unknown, person: Person = made.ann.person) =>
    elsewhere.request(person, path, { method: 'POST', body })
  const decide = (
    id: string,
    decision: unknown,
    call = 'call-1',
    person: Person = made.ann.person,
  ) =>
    elsewhere.request(person, `executions/${id}/approvals/${call}`, {
      method: 'POST',
      body: typeof decision === 'string' ? { decision } : decision,
    })
  const decided = async (...args: Parameters<typeof decide>) =>
    (await (await untilServed(() => decide(...args))).json()) as Decision
  const follow = async (id: string | null): Promise<Chunk[]> => {
    const response = await elsewhere.request(made.ann.person, `executions/${id ?? ''}/stream`)
    return chunksOf(await response.text())
  }
  const elsewhereGet = (path: string) => elsewhere.request(made.ann.person, path)
  return { made, decide, decided, follow, post, elsewhereGet }
}

/** The variables of a further worker over the same model. */
export const variablesOf = ({ agents }: ToolFixture) => ({
  OPENROUTER_API_KEY: 'sk-or-v1-of-a-scripted-model',
  OPENROUTER_BASE_URL: agents.provider.url,
})
