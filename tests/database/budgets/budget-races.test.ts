import { expect, test } from 'vitest'
import {
  addOwner,
  as,
  committedAs,
  type Member,
  outcome,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import {
  addBudget,
  addPricedAgent,
  discrepancies,
  liftLimits,
  reservedBy,
  spentOf,
} from '../../support/rows/budgets.ts'
import { begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'

const database = ownDatabase(24)

/** What `count` equal requests at once are answered, and what those that were admitted began. */
async function race(count: number, owner: Member, agent: string) {
  const begun: Begun[] = []
  const one = async () => {
    await database().begin(async (tx) => {
      const execution = await as(tx, owner, begin({ agent }))
      // On a busy machine the race lasts longer than a first lease.
      await tx`
        update public.agent_executions set lease_expires_at = now() + interval '1 hour'
        where id = ${execution.execution_id}`
      begun.push(execution)
    })
  }
  const answers = await Promise.all(Array.from({ length: count }, () => outcome(one())))
  return { begun, answers }
}

const tally = (answers: readonly string[]) => {
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1
  return counts
}

/** Ends everything whose lease ran out, as three schedulers that overlap would. */
async function expireLeases(organizationId: number): Promise<void> {
  const sql = database()
  const dead = async () => {
    const [row] = await sql`
      select count(*)::integer as left from public.agent_executions
      where organization_id = ${organizationId} and completed_at is null
        and lease_expires_at <= clock_timestamp()`
    return Number(row?.left)
  }
  const expire = () =>
    committedAs(sql, 'service_role', (tx) => tx`select public.expire_execution_leases(5)`)
  while ((await dead()) > 0) await Promise.all([expire(), expire(), expire()])
}

test('of 200 requests at once on a budget for 33 exactly 33 are admitted; after crashes the books add up and nothing is refused that fits', async () => {
  const sql = database()
  const { owner, agent, id, reserved } = await sql.begin(async (tx) => {
    const owner = await addOwner(tx)
    await liftLimits(tx, owner)
    const agent = await addPricedAgent(tx, owner)
    const probe = await addBudget(tx, owner, { period: 'day', limit_usd: '100' })
    const first = await as(tx, owner, begin({ agent }))
    const reserved = await reservedBy(tx, first)
    await as(tx, 'service_role', finish(first))
    await as(tx, owner, (t) => t`delete from client_mgmt.budgets where id = ${probe}`)
    const [limit] = await tx<{ usd: string }[]>`select ${reserved.usd}::numeric * 33 as usd`
    const id = await addBudget(tx, owner, { period: 'month', limit_usd: limit?.usd ?? '' })
    return { owner, agent, id, reserved }
  })

  const { begun, answers } = await race(200, owner, agent)
  expect(tally(answers)).toEqual({ allowed: 33, 'PT402 budget_exceeded': 167 })
  expect(await spentOf(sql, id)).toMatchObject({ reserved_tokens: 33 * reserved.tokens })

  // A third ends well, a third is cut, and the workers of the last third are killed.
  const ends = begun.map(async (execution, n) => {
    const usage = { input_tokens: 100 + n, output_tokens: n }
    if (n % 3 === 0) {
      await committedAs(sql, 'service_role', finish(execution, { ...outcomes.success, ...usage }))
    } else if (n % 3 === 1) {
      const cut = { ...outcomes.cancelled, content: 'some words of an answer' }
      await committedAs(sql, 'service_role', finish(execution, cut))
    } else {
      await sql`
        update public.agent_executions set lease_expires_at = now() - interval '1 second'
        where id = ${execution.execution_id}`
    }
  })
  await Promise.all([...ends, expireLeases(owner.organizationId)])
  await expireLeases(owner.organizationId)
  expect(await discrepancies(sql, owner.organizationId)).toEqual([])
  expect(await spentOf(sql, id)).toMatchObject({ reserved: '0.000000000', reserved_tokens: 0 })

  const [room] = await sql<{ requests: number }[]>`
    select floor((b.limit_usd - c.settled_usd) / ${reserved.usd}::numeric)::integer as requests
    from client_mgmt.budgets b join client_mgmt.budget_counters c on c.budget_id = b.id
    where b.id = ${id}`
  expect(room?.requests).toBeGreaterThan(20)
  const again = await race(50, owner, agent)
  expect(tally(again.answers)).toEqual({
    allowed: room?.requests,
    'PT402 budget_exceeded': 50 - Number(room?.requests),
  })
}, 60_000)

test('a budget that is deleted at the very moment neither fails nor refuses a request', async () => {
  const sql = database()
  for (const used of [false, true]) {
    const { owner, agent, id } = await sql.begin(async (tx) => {
      const owner = await addOwner(tx)
      const agent = await addPricedAgent(tx, owner)
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '1' })
      if (used) await as(tx, owner, begin({ agent }))
      return { owner, agent, id }
    })
    let answer: Promise<string> | undefined
    await sql.begin(async (tx) => {
      await as(tx, owner, (t) => t`delete from client_mgmt.budgets where id = ${id}`)
      answer = outcome(committedAs(sql, owner, begin({ agent })))
      await untilSomeoneWaits(tx)
    })
    expect(await answer).toBe('allowed')
  }
})
