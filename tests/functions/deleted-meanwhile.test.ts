import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import { answerOf, gate, stop, StreamReader, text } from '../support/agents/chat-stream.ts'
import { createAgent } from '../support/agents/invoke.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type RawProvider, startRawProvider } from '../support/agents/raw-provider.ts'
import {
  type Organization,
  type Person,
  signUpAsMember,
  signUpWithOrganization,
} from '../support/people/people.ts'
import { connectOwner } from '../support/stack/database.ts'

const sql = connectOwner()
let provider: RawProvider
let worker: AgentsWorker
let owner: Person & { organization: Organization }
let member: Person
let agent: string
let project_id: number

beforeAll(async () => {
  provider = await startRawProvider()
  worker = await startAgentsWorker({
    OPENROUTER_API_KEY: 'sk-or-v1-platform',
    OPENROUTER_BASE_URL: provider.url,
  })
})
afterAll(async () => {
  await worker.close()
  await provider.close()
})
beforeEach(async () => {
  owner = await signUpWithOrganization('owner')
  member = await signUpAsMember(sql, owner.organization)
  agent = await createAgent(sql, owner.organization, ['openrouter'])
  const projects = owner.client.schema('client_mgmt').from('projects')
  const made = await projects.insert({ name: 'ours' }).select('id').single().throwOnError()
  project_id = made.data.id
  await sql`
    insert into client_mgmt.budgets (organization_id, period, limit_tokens)
    values (${owner.organization.id}, 'day', 10000000)`
})

/** Refused: the execution refers to it. */
const inUse = async (deletion: PromiseLike<{ error: { message: string } | null }>) =>
  expect((await deletion).error?.message).toBe('in_use')

/** What is deleted while an answer needs it, or cannot be, and how its stream ends then. */
const deletions: Record<string, { by: () => PromiseLike<unknown>; end: 'finish' | 'error' }> = {
  'the agent': {
    by: () => inUse(owner.client.from('agents').delete().eq('name', agent)),
    end: 'finish',
  },
  'the models of the agent': {
    by: async () => {
      const { data } = await owner.client.from('agents').select('id').eq('name', agent).single()
      await inUse(owner.client.from('models').delete().eq('agent_id', Number(data?.id)))
    },
    end: 'finish',
  },
  'the project': {
    by: () =>
      inUse(owner.client.schema('client_mgmt').from('projects').delete().eq('id', project_id)),
    end: 'finish',
  },
  'the budget': {
    by: () =>
      owner.client
        .schema('client_mgmt')
        .from('budgets')
        .delete()
        .eq('period', 'day')
        .throwOnError(),
    end: 'finish',
  },
  'the account': { by: () => sql`delete from auth.users where id = ${member.id}`, end: 'error' },
  'the organization': {
    by: () => sql`delete from public.organizations where id = ${owner.organization.id}`,
    end: 'error',
  },
}

describe('an answer has one end and holds no reservation', () => {
  it.each(Object.keys(deletions))('after the deletion of %s meanwhile', async (what) => {
    const { by, end } = deletions[what] ?? { by: () => Promise.resolve(), end: 'finish' }
    const { step, open } = gate()
    const [head = '', one = '', ...rest] = eventStream([text('one'), text(' two'), stop])
    provider.respond([head, one, step, ...rest])
    const calls = provider.journal.length
    const body = { agent, project_id, message: { content: 'Hi' } }
    const live = new StreamReader(await worker.invoke(member, body))
    await live.until('"delta":"one"')
    await by()
    open()
    const stream = await live.toEnd()
    await provider.journal[calls]?.closed
    expect(stream.match(/"type":"(finish|error|abort)"/g)).toEqual([`"type":"${end}"`])
    expect(stream).toMatch(/data: \[DONE\]\n\n$/)
    if (end === 'finish') {
      expect(answerOf(stream)).toBe('one two')
      const paid = await sql`
        select count(*)::int as entries from client_mgmt.usage_ledger
        where organization_id = ${owner.organization.id}`
      expect([...paid]).toEqual([{ entries: 1 }])
    }
    const left = await sql`
      select x.status from public.agent_executions x
      where x.organization_id = ${owner.organization.id} and x.status in ('pending', 'running')
      union all
      select 'reserved' from client_mgmt.budget_counters c
      where c.organization_id = ${owner.organization.id} and c.reserved_tokens <> 0`
    expect([...left]).toEqual([])
    expect(worker.logged.join('\n')).not.toContain('internal_error')
  })
})
