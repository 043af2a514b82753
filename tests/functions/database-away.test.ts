import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import {
  answerOf,
  eventsOf,
  frame,
  gate,
  stop,
  StreamReader,
  text,
} from '../support/agents/chat-stream.ts'
import { eventStream } from '../support/agents/raw-http.ts'
import { type RawProvider, startRawProvider } from '../support/agents/raw-provider.ts'
import { addTenant, executionOf } from '../support/agents/tool-agents.ts'
import { startToolServer, type ToolServer } from '../support/agents/tool-server.ts'
import { type BreakingProxy, startBreakingProxy } from '../support/stack/breaking-proxy.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

const sql = connectOwner()
let provider: RawProvider
let server: ToolServer
/** Between the worker and the database. */
let way: BreakingProxy
let worker: AgentsWorker

beforeAll(async () => {
  const { url, functionEnv } = useStack()
  provider = await startRawProvider()
  server = await startToolServer({ send: {} })
  way = await startBreakingProxy(url)
  worker = await startAgentsWorker({
    SUPABASE_URL: way.url,
    JWT_ISSUER: functionEnv['JWT_ISSUER'] ?? `${url}/auth/v1`,
    OPENROUTER_API_KEY: 'sk-or-v1-platform',
    OPENROUTER_BASE_URL: provider.url,
  })
})
afterAll(async () => {
  await worker.close()
  await way.close()
  await server.close()
  await provider.close()
})

/** A model that asks for a tool where it may, and else says a word, waits, and says the rest. */
function scriptModel() {
  const answer = (word: string) => {
    const { step, open } = gate()
    const [head = '', one = '', ...rest] = eventStream([text(word), text(' and more'), stop])
    return { script: [head, one, step, ...rest], open }
  }
  const [continued, other] = [answer('sent'), answer('other')]
  const call = { index: 0, id: 'call-1', function: { name: 'tools__send', arguments: '{}' } }
  const asks = eventStream([
    frame({ tool_calls: [{ ...call, type: 'function' }] }),
    `${frame({}, { finish_reason: 'tool_calls' })}data: [DONE]\n\n`,
  ])
  provider.respond(({ body }) => {
    const { tools, messages } = JSON.parse(body) as {
      tools?: unknown
      messages: { role: string }[]
    }
    if (messages.some(({ role }) => role === 'tool')) return continued.script
    return tools === undefined ? other.script : asks
  })
  return { continued, other }
}

it('the end of an approved continuation is stored when the database, away at that moment, comes back', async () => {
  const { continued, other } = scriptModel()
  const [ann, bob] = await Promise.all([addTenant(sql), addTenant(sql)])
  await ann.addServer(server.endpoint, 'ask')
  const budgets = ann.person.client.schema('client_mgmt').from('budgets')
  const { error } = await budgets.insert({ period: 'day', limit_tokens: 10_000_000 })
  expect(error).toBeNull()
  const message = { content: 'Hi' }
  const asked = await worker.invoke(ann.person, { agent: ann.agent, message })
  const id = asked.headers.get('x-execution-id') ?? ''
  await asked.text()

  const beside = new StreamReader(await worker.invoke(bob.person, { agent: bob.agent, message }))
  await beside.until('"delta":"other"')
  const decided = await worker.request(ann.person, `executions/${id}/approvals/call-1`, {
    method: 'POST',
    body: { decision: 'approve' },
  })
  const { execution_id } = (await decided.json()) as { execution_id: string }
  const follow = () => worker.request(ann.person, `executions/${execution_id}/stream`)
  const followed = new StreamReader(await follow())
  await followed.until('"delta":"sent"')

  way.drop()
  continued.open()
  const ends = () => way.dropped.filter((path) => path.endsWith('/rpc/finish_execution')).length
  await expect.poll(ends, { timeout: 60_000 }).toBeGreaterThanOrEqual(2)
  way.mend()
  other.open()

  const whole = await followed.toEnd()
  expect(answerOf(whole)).toBe('sent and more')
  expect(whole).toContain('"type":"finish"')
  expect(whole).not.toContain('"type":"error"')
  expect(eventsOf(await (await follow()).text())).toBe(eventsOf(whole))
  expect(await executionOf(sql, execution_id)).toMatchObject({ status: 'success' })
  const [row] = await sql`
    select
      (select count(*)::int from client_mgmt.usage_ledger u where u.execution_id = ${execution_id}) as charged,
      (select reserved_tokens::int from client_mgmt.budget_counters c
        where c.organization_id = ${ann.person.organization.id}) as reserved,
      (select count(*)::int from client_mgmt.budget_reservations r
        where r.execution_id = ${execution_id} and r.settled_at is null) as open`
  expect(row).toEqual({ charged: 1, reserved: 0, open: 0 })
  expect(server.calls()).toHaveLength(1)

  const said = await beside.toEnd()
  expect(answerOf(said)).toBe('other and more')
  expect(said).toContain('"type":"finish"')
}, 120_000)
