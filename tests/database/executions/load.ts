import type { Sql, TransactionSql } from 'postgres'
import {
  addMember,
  addOwner,
  committedAs,
  type Member,
  outcome,
} from '../../support/people/tenants.ts'
import { addBudget, liftLimits, setPrice } from '../../support/rows/budgets.ts'
import { addAgent, begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'

export interface Arranged {
  people: Member[]
  agents: { name: string; modelIds: number[] }[]
  projects: string[]
}

/** Two organizations, of which the first has many people, projects, agents and budgets. */
export async function arrange(tx: TransactionSql): Promise<Arranged> {
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

/** What requests, other devices, crashes, schedulers and managers do, step by step. */
export class Load {
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
      with locked as (
        -- In the order of count_outcome().
        select id from public.circuit_breaker_state where state = 'open' order by model_id for update
      )
      update public.circuit_breaker_state b set opened_at = now() - interval '31 seconds'
      from locked where b.id = locked.id`
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
