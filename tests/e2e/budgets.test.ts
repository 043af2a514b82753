import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AgentsWorker, startAgentsWorker } from '../support/agents/agents-worker.ts'
import { callFunction, createAgent, type ErrorBody } from '../support/agents/invoke.ts'
import { eventStream, json } from '../support/agents/raw-http.ts'
import {
  type RawProvider,
  type RawScript,
  STALL,
  startRawProvider,
} from '../support/agents/raw-provider.ts'
import { type Organization, type Person, signUpWithOrganization } from '../support/people/people.ts'
import { discrepancies } from '../support/rows/budgets.ts'
import { connectOwner } from '../support/stack/database.ts'
import { useStack } from '../support/stack/stack.ts'

type Owner = Person & { organization: Organization }

const sql = connectOwner()
let provider: RawProvider
let worker: AgentsWorker

const serve = () =>
  startAgentsWorker({ OPENROUTER_API_KEY: 'sk-or-v1-tests', OPENROUTER_BASE_URL: provider.url })

beforeAll(async () => {
  provider = await startRawProvider()
  worker = await serve()
})
afterAll(async () => {
  await worker.close()
  await provider.close()
})

const frame = (delta: object, rest: object = {}) =>
  `data: ${JSON.stringify({ id: 'gen-1', model: 'm', choices: [{ index: 0, delta, ...rest }] })}\n\n`
const usageOf = (prompt_tokens: number, completion_tokens: number) => ({
  usage: { prompt_tokens, completion_tokens },
})

/** "Hello", streamed. */
const streamed = eventStream([
  frame({ content: 'Hello' }),
  frame({}, { finish_reason: 'stop' }),
  `data: ${JSON.stringify({ id: 'gen-1', choices: [], ...usageOf(40, 2) })}\n\n`,
  'data: [DONE]\n\n',
])

/** "Hello", whole. */
const whole = (prompt = 40, completion = 2) => {
  const choices = [{ index: 0, message: { content: 'Hello' }, finish_reason: 'stop' }]
  return [json(200, { id: 'gen-1', choices, ...usageOf(prompt, completion) })]
}

/** Someone who owns an organization whose agent costs a dollar per million tokens. */
async function arrange(): Promise<{ ann: Owner; agent: string }> {
  const ann = await signUpWithOrganization('ann')
  const agent = await createAgent(sql, ann.organization, ['openrouter'])
  const model = `priced-${randomUUID()}`
  await sql`
    update public.models set model_id = ${model} where organization_id = ${ann.organization.id}`
  await sql`
    insert into client_mgmt.model_prices (provider, model_id, input_per_million, output_per_million)
    values ('openrouter', ${model}, 1, 1)`
  return { ann, agent }
}

/** Asks a worker as the person. */
const asker =
  (person: Person, agent: string) =>
  (at: AgentsWorker, body: object = {}) =>
    at.invoke(person, { agent, message: { content: 'Hi' }, ...body })

async function setBudget(person: Person, budget: Record<string, unknown>): Promise<number> {
  const { data, error } = await person.client
    .schema('client_mgmt')
    .from('budgets')
    .insert(budget as { period: string })
    .select('id')
    .single()
  if (error !== null) throw error
  return data.id
}

describe('200 parallel invocations on a budget for 33', () => {
  it('admit exactly 33; after killed workers the books add up, and nothing that fits is refused', async () => {
    const { ann, agent } = await arrange()
    const { id: organization } = ann.organization
    await sql`
      update client_mgmt.organization_limits
      set max_concurrent_executions = 300, max_concurrent_per_user = 300
      where organization_id = ${organization}`
    const ask = asker(ann, agent)

    // What one of these requests reserves.
    const measure = await setBudget(ann, { period: 'day', limit_usd: 1000 })
    provider.respond(whole())
    expect((await ask(worker, { stream: false })).status).toBe(200)
    const [first] = await sql<{ usd: string }[]>`
      select reserved_usd as usd from client_mgmt.budget_reservations
      where organization_id = ${organization}`
    await ann.client.schema('client_mgmt').from('budgets').delete().eq('id', measure)
    const [limit] = await sql<{ usd: string }[]>`select ${first?.usd ?? ''}::numeric * 33 as usd`
    const budget = await setBudget(ann, { period: 'month', limit_usd: limit?.usd })

    // Nobody is answered to the end before everybody is admitted or refused.
    let release: () => void = () => undefined
    const decided = new Promise<void>((resolve) => (release = resolve))
    const [head = '', ...rest] = streamed
    provider.respond([head, { until: decided }, ...rest] satisfies RawScript)
    const doomed = await serve()
    // As quick as the other one, or the budget is spent before it has asked.
    for (let n = 0; n < 5; n++) expect((await ask(doomed, { message: {} })).status).toBe(400)
    const responses = await Promise.all(
      Array.from({ length: 200 }, (_, n) => ask(n % 2 === 0 ? doomed : worker)),
    )
    const statuses = responses.map(({ status }) => status)
    const counts = { 200: 0, 402: 0, other: [] as number[] }
    for (const status of statuses) {
      if (status === 200 || status === 402) counts[status] += 1
      else counts.other.push(status)
    }
    expect(counts).toEqual({ 200: 33, 402: 167, other: [] })

    // One worker dies with its share of them; the other one's end well, for what they used.
    doomed.kill()
    release()
    const bodies = await Promise.allSettled(responses.map((response) => response.text()))
    const cut = bodies.filter(({ status }) => status === 'rejected')
    const lost = await sql`
      update public.agent_executions set lease_expires_at = now() - interval '1 second'
      where organization_id = ${organization} and completed_at is null returning id`
    // A clean-up skips locked rows, and the next clean-up takes them.
    for (let calls = 0, left = lost.length; left > 0 && calls < 20; calls += 1) {
      const cleanUp = await callFunction('session-cleanup', {
        headers: { apikey: useStack().cleanupKey },
      })
      expect(cleanUp.status).toBe(200)
      const [row] = await sql<{ left: number }[]>`
        select count(*)::integer as left from public.agent_executions
        where organization_id = ${organization} and completed_at is null`
      left = row?.left ?? NaN
    }
    const [ended] = await sql`
      select count(*) filter (where status = 'success')::integer as whole,
        count(*) filter (where error_code = 'interrupted')::integer as interrupted,
        count(*) filter (where completed_at is null)::integer as left
      from public.agent_executions where organization_id = ${organization}`
    expect(lost.length).toBeGreaterThan(0)
    // Also one whose lease ended before its worker did, on a machine with much to do.
    expect(ended).toEqual({ whole: 34 - cut.length, interrupted: cut.length, left: 0 })
    expect(await discrepancies(sql, organization)).toEqual([])
    const [spent] = await sql<{ settled: string; room: number }[]>`
      select c.settled_usd as settled,
        floor((b.limit_usd - c.settled_usd) / ${first?.usd ?? ''}::numeric)::integer as room
      from client_mgmt.budget_counters c join client_mgmt.budgets b on b.id = c.budget_id
      where c.budget_id = ${budget} and c.reserved_usd = 0 and c.reserved_tokens = 0`
    expect(spent?.settled).toBe(((33 - cut.length) * 42e-6).toFixed(9))

    provider.respond([head, STALL])
    const again = await Promise.all(Array.from({ length: 40 }, () => ask(worker)))
    const admitted = again.filter(({ status }) => status === 200)
    expect(admitted).toHaveLength(spent?.room ?? NaN)
    await Promise.all(again.map(async (response) => response.body?.cancel()))
    await doomed.close()
  }, 90_000)
})

describe('what a client is told', () => {
  it('402 names the limit and when it resets, and nothing is written', async () => {
    const { ann, agent } = await arrange()
    const ask = asker(ann, agent)
    const budget = await setBudget(ann, { period: 'day', limit_usd: 0.000001, limit_tokens: 5 })
    for (const stream of [true, false]) {
      const response = await ask(worker, { stream })
      expect(response.status).toBe(402)
      const { error } = (await response.json()) as ErrorBody
      expect(error.code).toBe('budget_exceeded')
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
      expect(error.message).toBe(
        'The day budget of the organization, 0.000001 US dollars and 5 tokens, does not cover ' +
          `this request. It resets at ${tomorrow}T00:00:00Z.`,
      )
      expect(error.details).toEqual({
        budget_id: budget,
        scope: 'organization',
        period: 'day',
        limit_usd: 0.000001,
        limit_tokens: 5,
        resets_at: `${tomorrow}T00:00:00+00:00`,
      })
    }
    const { data } = await ann.client.from('chat_messages').select('id')
    expect(data).toEqual([])
  })

  it('429 says when to come back, and then there is room', async () => {
    const { ann, agent } = await arrange()
    const ask = asker(ann, agent)
    await sql`
      update client_mgmt.organization_limits set max_concurrent_per_user = 1
      where organization_id = ${ann.organization.id}`
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    const [head = '', ...rest] = streamed
    provider.respond([head, { until: released }, ...rest])
    const running = await ask(worker)
    const refused = await ask(worker)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('2')
    expect(((await refused.json()) as ErrorBody).error.code).toBe('too_many_executions')
    release()
    await running.text()
    provider.respond(whole())
    expect((await ask(worker, { stream: false })).status).toBe(200)
  })

  it('a model without a price is 409 under a money budget', async () => {
    const ann = await signUpWithOrganization('ann')
    const agent = await createAgent(sql, ann.organization, ['openrouter'])
    const ask = asker(ann, agent)
    provider.respond(whole())
    const free = await ask(worker, { stream: false })
    expect(await free.json()).toMatchObject({ cost_usd: null, usage: { input_tokens: 40 } })
    await setBudget(ann, { period: 'month', limit_usd: 5 })
    const response = await ask(worker, { stream: false })
    expect(response.status).toBe(409)
    expect(((await response.json()) as ErrorBody).error.code).toBe('price_unknown')
  })
})

describe('what is charged', () => {
  it('a cancelled answer is charged an estimate, which its person and the one who pays can see', async () => {
    const { ann, agent } = await arrange()
    const ask = asker(ann, agent)
    const budget = await setBudget(ann, { period: 'day', limit_usd: 1 })
    const [head = '', hello = ''] = streamed
    provider.respond([head, hello, STALL])
    const response = await ask(worker)
    const execution_id = response.headers.get('x-execution-id') ?? ''
    await ann.client.rpc('cancel_execution', { execution_id })
    await response.text()
    const charged = async () => {
      const { data } = await ann.client
        .schema('client_mgmt')
        .from('usage_ledger')
        .select('output_tokens, cost_usd, is_estimated')
        .eq('execution_id', execution_id)
      return data ?? []
    }
    await expect.poll(charged).toHaveLength(1)
    const [usage] = await charged()
    // Five bytes: two tokens, in quarters of a byte rounded up.
    expect(usage).toMatchObject({ output_tokens: 2, is_estimated: true })
    expect(Number(usage?.cost_usd)).toBeGreaterThan(0)
    const { data: counter } = await ann.client
      .schema('client_mgmt')
      .from('budget_counters')
      .select('settled_usd, reserved_usd')
      .eq('budget_id', budget)
      .single()
    expect(Number(counter?.settled_usd)).toBe(Number(usage?.cost_usd))
    expect(Number(counter?.reserved_usd)).toBe(0)
    expect(await discrepancies(sql, ann.organization.id)).toEqual([])
  })

  it('a budget that its answer used up refuses the next one, and has one alert', async () => {
    const { ann, agent } = await arrange()
    const ask = asker(ann, agent)
    const budget = await setBudget(ann, { period: 'month', limit_usd: 0.01 })
    provider.respond(whole(9_999, 1))
    const response = await ask(worker, { stream: false })
    expect(await response.json()).toMatchObject({ cost_usd: 0.01 })
    expect((await ask(worker, { stream: false })).status).toBe(402)
    const { data: alerts } = await ann.client
      .schema('client_mgmt')
      .from('budget_alerts')
      .select('budget_id')
      .eq('budget_id', budget)
    expect(alerts).toHaveLength(1)
  })
})
