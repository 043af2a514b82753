import type { Sql, TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, committedAs } from '../../support/people/tenants.ts'
import { addBudget, addPricedAgent, discrepancies } from '../../support/rows/budgets.ts'
import { addAgent, begin, finish, outcomes } from '../../support/rows/executions.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'
import { randomFrom } from '../../support/random.ts'
import { arrange, Load } from './load.ts'

// As many as can stand in each other's way on a small machine: a connection costs more than its steps.
const connections = 24
const database = ownDatabase(connections)

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
    /^(allowed|PT409 (session_busy|attempt_over)|PT402 budget_exceeded|PT503 circuit_open|PT404 (session|execution)_not_found)$/
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
