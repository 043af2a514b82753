import type { Sql, TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  committedAs,
  type Member,
  outcome,
} from '../../support/people/tenants.ts'
import {
  addBudget,
  addPricedAgent,
  discrepancies,
  liftLimits,
  setPrice,
} from '../../support/rows/budgets.ts'
import { addAgent, begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'

const connections = 60
const database = ownDatabase(connections)

/** Numbers from 0 up to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

interface Arranged {
  people: Member[]
  agents: { name: string; modelIds: number[] }[]
  projects: string[]
}

/** Two organizations, of which the first has many people, projects, agents and budgets. */
async function arrange(tx: TransactionSql): Promise<Arranged> {
  const owner = await addOwner(tx)
  const people = [owner]
  for (let n = 0; n < 5; n++) people.push(await addMember(tx, owner.organizationId))
  await liftLimits(tx, owner)
  const agents = []
  for (let n = 0; n < 2; n++) {
    const agent = await addAgent(tx, owner, ['first', 'second'])
    await setPrice(tx, agent.name, { input: 1, output: 1 }, 'first')
    await setPrice(tx, agent.name, { input: 2, output: 2 }, 'second')
    agents.push(agent)
  }
  const projects: string[] = []
  for (const name of ['p', 'q', 'r']) {
    const [project] = await tx<{ id: string }[]>`
      insert into client_mgmt.projects (organization_id, name)
      values (${owner.organizationId}, ${name}) returning id`
    projects.push(project?.id ?? '')
  }
  // In mixed order: what is taken first must not depend on whose budget it is.
  for (const [n, person] of people.entries()) {
    await addBudget(tx, owner, { period: 'day', limit_usd: '50', user_id: person.id })
    const project_id = projects[n]
    if (project_id !== undefined) {
      await addBudget(tx, owner, { period: 'month', limit_tokens: 1e7, project_id })
    }
    if (n === 2) await addBudget(tx, owner, { period: 'day', limit_usd: '100' })
  }
  return { people, agents, projects }
}

/** Sixty workers that do what requests, other devices, crashes, schedulers and managers do. */
class Load {
  readonly answers = new Map<string, number>()
  readonly #running: { person: Member; begun: Begun; modelIds: number[] }[] = []
  readonly #sessions = new Map<string, string[]>()

  constructor(
    readonly sql: Sql,
    readonly arranged: Arranged,
    readonly random: () => number,
  ) {}

  async step(): Promise<void> {
    const actions = [
      ...Array<() => Promise<unknown>>(6).fill(() => this.begin()),
      ...Array<() => Promise<unknown>>(4).fill(() => this.finish()),
      () => this.cancel(),
      () => this.reserve(),
      () => this.reserve(),
      () => this.kill(),
      () => this.kill(),
      () => this.expire(),
      () => this.read(),
      () => this.start(),
      () => this.probe(),
      () => this.changeBudgets(),
      () => this.forget(),
    ]
    const action = this.#one(actions)
    const answer = await outcome(action())
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
  }

  async begin(): Promise<void> {
    const person = this.#one(this.arranged.people)
    const agent = this.#one(this.arranged.agents)
    const sessions = this.#sessions.get(person.id) ?? []
    const session = this.random() < 0.7 && sessions.length > 0 ? this.#one(sessions) : null
    const project = this.random() < 0.5 ? this.#one(this.arranged.projects) : null
    const request = {
      content: 'words '.repeat(1 + Math.floor(this.random() * 50)),
      agent: agent.name,
      session_id: session,
      project_id: project,
      on_busy: this.random() < 0.5 ? ('queue' as const) : ('refuse' as const),
      params: { max_output_tokens: 100 },
    }
    const begun = await committedAs(this.sql, person, begin(request))
    this.#running.push({ person, begun, modelIds: agent.modelIds })
    if (sessions.length < 3) this.#sessions.set(person.id, [...sessions, begun.session_id])
  }

  async finish(): Promise<void> {
    const found = this.#take()
    if (found === undefined) return
    const [first, second] = this.random() < 0.5 ? found.modelIds : found.modelIds.toReversed()
    const usage = { input_tokens: Math.floor(this.random() * 1000), output_tokens: 10 }
    const answer = this.#one([
      { ...outcomes.success, ...usage, model_id: first },
      { ...outcomes.success, content: 'no usage', model_id: second, failed_models: [first] },
      { ...outcomes.fault, model_id: second, failed_models: [first, first] },
      { ...outcomes.fault, content: 'cut', model_id: first },
      { ...outcomes.cancelled, content: 'cut', model_id: first },
    ])
    await committedAs(this.sql, 'service_role', finish(found.begun, answer))
  }

  async cancel(): Promise<void> {
    const found = this.#any()
    if (found === undefined) return
    const id = found.begun.execution_id
    await committedAs(this.sql, found.person, (tx) => tx`select public.cancel_execution(${id})`)
  }

  /** A further step of the model, after a tool. */
  async reserve(): Promise<void> {
    const found = this.#any()
    if (found === undefined) return
    const { organization_id, execution_id } = found.begun
    await committedAs(
      this.sql,
      'service_role',
      (tx) =>
        tx`select public.reserve_execution_step(${organization_id}, ${execution_id}, 100, 100)`,
    )
  }

  async read(): Promise<void> {
    const found = this.#any()
    if (found === undefined) return
    const id = found.begun.execution_id
    await committedAs(this.sql, found.person, (tx) => tx`select public.read_execution(${id})`)
  }

  async start(): Promise<void> {
    const found = this.#running.find(({ begun }) => begun.status === 'pending')
    if (found === undefined) return
    const id = found.begun.execution_id
    await committedAs(this.sql, found.person, (tx) => tx`select public.start_execution(${id})`)
  }

  /** The worker of an execution dies. */
  async kill(): Promise<void> {
    const found = this.#take()
    if (found === undefined) return
    await this.sql`
      update public.agent_executions set lease_expires_at = now() - interval '1 second'
      where id = ${found.begun.execution_id} and completed_at is null`
  }

  async expire(): Promise<void> {
    await committedAs(
      this.sql,
      'service_role',
      (tx) => tx`select public.expire_execution_leases(20)`,
    )
  }

  async probe(): Promise<void> {
    const found = this.#any()
    if (found === undefined) return
    await this.sql`
      update public.circuit_breaker_state set opened_at = now() - interval '31 seconds'
      where state = 'open'`
    const { organization_id, execution_id } = found.begun
    await committedAs(
      this.sql,
      'service_role',
      (tx) => tx`
        select public.acquire_probe(${organization_id}, ${execution_id}, ${this.#one(found.modelIds)})`,
    )
  }

  async changeBudgets(): Promise<void> {
    const [owner] = this.arranged.people
    if (owner === undefined) return
    await committedAs(this.sql, owner, async (tx) => {
      const [gone] = await tx`
        delete from client_mgmt.budgets where id = (
          select id from client_mgmt.budgets where user_id is not null order by random() limit 1
        ) returning user_id, period`
      if (gone === undefined) return
      await tx`
        insert into client_mgmt.budgets (user_id, period, limit_usd)
        values (${String(gone.user_id)}, ${String(gone.period)}, 50)`
    })
  }

  /** A person deletes a conversation, or several, in the middle of whatever happens there. */
  async forget(): Promise<void> {
    const found = this.#any()
    if (found === undefined) return
    const { session_id } = found.begun
    const sessions = this.#sessions.get(found.person.id) ?? []
    const gone = this.random() < 0.5 ? [session_id] : [session_id, ...sessions]
    this.#sessions.set(
      found.person.id,
      sessions.filter((id) => !gone.includes(id)),
    )
    await committedAs(this.sql, found.person, async (tx) => {
      await tx`delete from public.chat_sessions where id = any(${gone})`
    })
  }

  #one<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)] as Item
  }

  #any() {
    return this.#running.length === 0 ? undefined : this.#one(this.#running)
  }

  #take() {
    const [found] = this.#running.splice(Math.floor(this.random() * this.#running.length), 1)
    return found
  }
}

test('requests, ends, cancels, crashes, deletions and managers at once never wait in a circle, and the books add up', async () => {
  const sql = database()
  const arranged = await sql.begin((tx) => arrange(tx))
  const load = new Load(sql, arranged, randomFrom(20261120))
  const steps = 1_500
  let left = steps
  const worker = async () => {
    while ((left -= 1) >= 0) await load.step()
  }
  await Promise.all(Array.from({ length: connections }, worker))

  const answers = Object.fromEntries(load.answers)
  const expected =
    /^(allowed|PT409 session_busy|PT402 budget_exceeded|PT503 circuit_open|PT404 (session|execution)_not_found)$/
  expect(Object.keys(answers).filter((answer) => !expected.test(answer))).toEqual([])
  expect(answers['allowed']).toBeGreaterThan(steps / 2)
  expect(await deadlocks(sql)).toBe(0)

  await sql`
    update public.agent_executions set lease_expires_at = now() - interval '1 second'
    where completed_at is null`
  await committedAs(sql, 'service_role', (tx) => tx`select public.expire_execution_leases(10000)`)
  const [owner] = arranged.people
  expect(await discrepancies(sql, owner?.organizationId ?? 0)).toEqual([])
  const held = await sql`
    select * from client_mgmt.budget_counters where reserved_usd <> 0 or reserved_tokens <> 0`
  expect(held).toEqual([])
}, 120_000)

test('an execution whose end is blocked delays the end of no other', async () => {
  const sql = database()
  const die = async () => {
    const owner = await addOwner(sql)
    const agent = await addPricedAgent(sql, owner)
    await sql.begin((tx) => addBudget(tx, owner, { period: 'day', limit_usd: '1' }))
    const { execution_id } = await committedAs(sql, owner, begin({ agent }))
    const [row] = await sql<{ n: number }[]>`
      update public.agent_executions set lease_expires_at = now() - interval '1 second'
      where id = ${execution_id} returning 1 as n`
    expect(row?.n).toBe(1)
    return { owner, execution_id }
  }
  const dead = [await die(), await die(), await die()]
  const ended = async () => {
    const rows = await sql<{ id: string }[]>`
      select id from public.agent_executions
      where id in ${sql(dead.map(({ execution_id }) => execution_id))} and status = 'failed'`
    return new Set(rows.map(({ id }) => dead.findIndex(({ execution_id }) => execution_id === id)))
  }
  const expire = () =>
    committedAs(sql, 'service_role', async (tx) => {
      const [row] = await tx<{ handled: number }[]>`
      select public.expire_execution_leases() as handled`
      return row?.handled
    })
  await sql.begin(async (tx) => {
    await tx`
      select 1 from client_mgmt.budget_counters
      where organization_id = ${dead[1]?.owner.organizationId ?? 0} for update`
    // The second is in the way of a transaction that has ended the first: it keeps that, and gives way.
    expect([await expire(), await ended()]).toEqual([1, new Set([0])])
    expect([await expire(), await ended()]).toEqual([1, new Set([0, 2])])
    expect(await expire()).toBe(0)
  })
  expect([await expire(), await ended()]).toEqual([1, new Set([0, 1, 2])])
})

test('two ends whose routes have opposite orders share breakers without a deadlock', async () => {
  const sql = database()
  const before = await deadlocks(sql)
  const { owner, agent } = await sql.begin(async (tx) => {
    const owner = await addOwner(tx)
    return { owner, agent: await addAgent(tx, owner, ['first', 'second']) }
  })
  const [first = 0, second = 0] = agent.modelIds
  const fail = async (failed: number, last: number) => {
    const begun = await committedAs(sql, owner, begin({ agent: agent.name }))
    const end = { ...outcomes.fault, failed_models: [failed], model_id: last }
    return () => committedAs(sql, 'service_role', finish(begun, end))
  }
  await (
    await fail(first, second)
  )()
  const ends = [await fail(second, first), await fail(first, second)]
  const ended: Promise<unknown>[] = []
  await sql.begin(async (tx) => {
    await tx`select 1 from public.circuit_breaker_state where model_id = ${second} for update`
    for (const end of ends) {
      ended.push(end())
      await waiters(tx, ended.length)
    }
  })
  await Promise.all(ended)
  expect(await deadlocks(sql)).toBe(before)
  const counted = await sql`
    select model_id::integer, failure_count as faults from public.circuit_breaker_state
    where model_id in ${sql([first, second])} order by model_id`
  expect(counted).toEqual([
    { model_id: first, faults: 3 },
    { model_id: second, faults: 3 },
  ])
})

/** Until so many statements wait, for this transaction or for one that waits for it. */
async function waiters(tx: TransactionSql, count: number): Promise<void> {
  const waiting = () => tx`
    select 1 from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`
  while ((await waiting()).length < count) await tx`select pg_sleep(0.01)`
}

/** The server's own count, which a retry could not hide. */
async function deadlocks(sql: Sql): Promise<number> {
  const [row] = await sql`
    select pg_stat_clear_snapshot(), deadlocks::integer from pg_stat_database
    where datname = current_database()`
  return Number(row?.deadlocks)
}
