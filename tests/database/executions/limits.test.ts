import type { Sql, TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addDevice,
  addMember,
  addOwner,
  as,
  type Member,
  outcome,
  signIn,
} from '../../support/people/tenants.ts'
import { refusedWith } from '../../support/rows/budgets.ts'
import { addAgent, begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { rolledBack } from '../../support/stack/database.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'

// Of its own, because a platform counts everyone's executions.
const database = ownDatabase(24)

type Limits = Partial<Record<'organization' | 'user', number>>

async function arrange(tx: TransactionSql, { organization = 1000, user = 1000 }: Limits = {}) {
  const owner = await addOwner(tx)
  await as(tx, 'service_role', async (t) => {
    await t`
      update client_mgmt.organization_limits
      set max_concurrent_executions = ${organization}, max_concurrent_per_user = ${user}
      where organization_id = ${owner.organizationId}`
  })
  const { name: agent } = await addAgent(tx, owner)
  return { owner, agent }
}

/** Another device of the person, at work in another organization. */
async function join(tx: TransactionSql, organizationId: number, person: Member): Promise<Member> {
  await tx`
    insert into client_mgmt.client_users (organization_id, user_id, role)
    values (${organizationId}, ${person.id}, 'member')`
  const device = await addDevice(tx, person)
  await as(tx, device, (t) => t`select public.switch_organization(${organizationId})`)
  return { ...(await signIn(tx, device)), organizationId }
}

async function beginMany(tx: TransactionSql, owner: Member, agent: string, count: number) {
  const begun: Begun[] = []
  for (let n = 0; n < count; n++) begun.push(await as(tx, owner, begin({ agent })))
  return begun
}

/** How many more are admitted, and what the first refusal says. */
async function fill(tx: TransactionSql, owner: Member, agent: string) {
  for (let admitted = 0; ; admitted++) {
    const answer = await outcome(as(tx, owner, begin({ agent })))
    if (answer === 'allowed') continue
    const { message, hint } = await refusedWith(as(tx, owner, begin({ agent })))
    return { admitted, message, limit: hint['limit'] }
  }
}

/** Begins one whose lease does not run out while the others race, however slow the machine is. */
const beginLasting = (sql: Sql, person: Member, agent: string) =>
  outcome(
    sql.begin(async (tx) => {
      const { execution_id } = await as(tx, person, begin({ agent }))
      await tx`
        update public.agent_executions set lease_expires_at = now() + interval '1 hour'
        where id = ${execution_id}`
    }),
  )

const platformMaximum = (tx: TransactionSql, count: number) =>
  tx`update private.platform_limits set max_concurrent_executions = ${count}`

test('a person runs as many executions as one person may, and is told which limit it was', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { user: 2 })
    const ben = await addMember(tx, owner.organizationId)
    const [first] = await beginMany(tx, owner, agent, 2)
    const { message, hint } = await refusedWith(as(tx, owner, begin({ agent })))
    expect(message).toBe('too_many_executions')
    expect(hint).toEqual({ limit: 'user', max_concurrent: 2, retry_after: 2 })
    await as(tx, ben, begin({ agent }))
    if (first !== undefined) await as(tx, 'service_role', finish(first))
    await as(tx, owner, begin({ agent }))
  })
})

test('an organization runs as many as it may, over all its members', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { organization: 3 })
    const ben = await addMember(tx, owner.organizationId)
    await beginMany(tx, owner, agent, 2)
    await beginMany(tx, ben, agent, 1)
    for (const person of [owner, ben]) {
      const { hint } = await refusedWith(as(tx, person, begin({ agent })))
      expect(hint).toEqual({ limit: 'organization', max_concurrent: 3, retry_after: 2 })
    }
    const other = await arrange(tx)
    await as(tx, other.owner, begin({ agent: other.agent }))
  })
})

test.each([
  ['organization', { organization: 7 }],
  ['user', { user: 7 }],
] as const)('of 24 at once exactly the 7 that the %s may run are admitted', async (_, limits) => {
  const sql = database()
  const { owner, agent } = await sql.begin((tx) => arrange(tx, limits))
  const answers = await Promise.all(
    Array.from({ length: 24 }, () => beginLasting(sql, owner, agent)),
  )
  expect(answers.filter((answer) => answer === 'allowed')).toHaveLength(7)
  expect(answers.filter((answer) => answer === 'PT429 too_many_executions')).toHaveLength(17)
  await sql`delete from public.agent_executions`
})

test('an execution that waits for its session counts, and one whose worker died does not', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { user: 2 })
    const [running] = await beginMany(tx, owner, agent, 1)
    await as(tx, owner, begin({ agent, session_id: running?.session_id ?? '', on_busy: 'queue' }))
    expect(await fill(tx, owner, agent)).toMatchObject({ admitted: 0, limit: 'user' })
    await tx`update public.agent_executions set lease_expires_at = now() - interval '1 second'`
    expect(await fill(tx, owner, agent)).toMatchObject({ admitted: 2, limit: 'user' })
  })
})

test('on a full platform an organization with an equal share waits, and one with less is let in', async () => {
  await rolledBack(database(), async (tx) => {
    await platformMaximum(tx, 12)
    const busy = await arrange(tx)
    const calm = await arrange(tx)
    const late = await arrange(tx)
    // Alone, one organization may use all of it.
    expect(await fill(tx, busy.owner, busy.agent)).toEqual({
      admitted: 12,
      message: 'too_many_executions',
      limit: 'platform',
    })
    // Then each its share of 12: the half with two, a third with three.
    expect(await fill(tx, calm.owner, calm.agent)).toMatchObject({ admitted: 6, limit: 'platform' })
    expect(await fill(tx, late.owner, late.agent)).toMatchObject({ admitted: 4, limit: 'platform' })
    // Nobody who holds more than a share gets the next free place, however often they ask.
    const [first] = await tx<{ id: string }[]>`
      select id from public.agent_executions where organization_id = ${late.owner.organizationId}`
    const freed = { organization_id: late.owner.organizationId, execution_id: first?.id } as Begun
    await as(tx, 'service_role', finish(freed, outcomes.cancelled))
    expect(await fill(tx, busy.owner, busy.agent)).toMatchObject({ admitted: 0 })
    expect(await fill(tx, calm.owner, calm.agent)).toMatchObject({ admitted: 0 })
    expect(await fill(tx, late.owner, late.agent)).toMatchObject({ admitted: 1 })
  })
})

test('a full platform lets each organization that runs nothing begin one', async () => {
  await rolledBack(database(), async (tx) => {
    await platformMaximum(tx, 3)
    const busy = []
    for (let n = 0; n < 3; n++) busy.push(await arrange(tx))
    for (const { owner, agent } of busy) await beginMany(tx, owner, agent, 1)
    const late = [await arrange(tx), await arrange(tx)]
    for (const { owner, agent } of late) {
      expect(await fill(tx, owner, agent)).toMatchObject({ admitted: 1, limit: 'platform' })
    }
    for (const { owner, agent } of busy) {
      expect(await fill(tx, owner, agent)).toMatchObject({ admitted: 0, limit: 'platform' })
    }
  })
})

test('an execution that no worker works on gives its place back within seconds', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { user: 2 })
    const [idle, worked] = await beginMany(tx, owner, agent, 2)
    await as(
      tx,
      'service_role',
      (t) => t`
        select public.renew_execution_lease(${owner.organizationId}, ${worked?.execution_id ?? ''})`,
    )
    expect(await fill(tx, owner, agent)).toMatchObject({ admitted: 0, limit: 'user' })
    const counts = await tx<{ id: string; seconds: number }[]>`
      select id, extract(epoch from lease_expires_at - clock_timestamp())::float8 as seconds
      from public.agent_executions order by seconds`
    expect(counts.map(({ id }) => id)).toEqual([idle?.execution_id, worked?.execution_id])
    expect(counts[0]?.seconds).toBeLessThanOrEqual(8)
    expect(counts[1]?.seconds).toBeGreaterThan(20)
    // What a client can call prolongs by seconds, too, and needs a place once its own is given back.
    await tx`update public.agent_executions set lease_expires_at = clock_timestamp() - interval '1 second'
      where id = ${idle?.execution_id ?? ''}`
    const next = begin({ agent, session_id: worked?.session_id ?? '', on_busy: 'queue' })
    const waiting = await as(tx, owner, next)
    await tx`update public.agent_executions set lease_expires_at = clock_timestamp() - interval '1 second'
      where id = ${waiting.execution_id}`
    const start = (t: TransactionSql) => t`select public.start_execution(${waiting.execution_id})`
    await as(tx, owner, start)
    const [row] = await tx<{ seconds: number }[]>`
      select extract(epoch from lease_expires_at - clock_timestamp())::float8 as seconds
      from public.agent_executions where id = ${waiting.execution_id}`
    expect(row?.seconds).toBeLessThanOrEqual(8)
    await tx`update public.agent_executions set lease_expires_at = clock_timestamp() - interval '1 second'
      where id = ${waiting.execution_id}`
    await tx`update client_mgmt.organization_limits set max_concurrent_per_user = 1`
    expect(await outcome(as(tx, owner, start))).toBe('PT429 too_many_executions')
  })
})

test('the executions of a person count over all their organizations', async () => {
  await rolledBack(database(), async (tx) => {
    const first = await arrange(tx, { user: 2 })
    const second = await arrange(tx, { user: 2 })
    const there = await join(tx, second.owner.organizationId, first.owner)
    await as(tx, first.owner, begin({ agent: first.agent }))
    expect(await fill(tx, there, second.agent)).toMatchObject({ admitted: 1, limit: 'user' })
    expect(await fill(tx, second.owner, second.agent)).toMatchObject({ admitted: 2, limit: 'user' })
  })
})

test('of 24 at once in two organizations exactly the 5 that a person may run are admitted', async () => {
  const sql = database()
  const places = await sql.begin(async (tx) => {
    const first = await arrange(tx, { user: 5 })
    const second = await arrange(tx, { user: 5 })
    const there = await join(tx, second.owner.organizationId, first.owner)
    return [
      { person: first.owner, agent: first.agent },
      { person: there, agent: second.agent },
    ]
  })
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, n) => {
      const { person, agent } = places[n % 2] as (typeof places)[number]
      return beginLasting(sql, person, agent)
    }),
  )
  expect(answers.filter((answer) => answer === 'allowed')).toHaveLength(5)
  expect(answers.filter((answer) => answer === 'PT429 too_many_executions')).toHaveLength(19)
  await sql`delete from public.agent_executions`
})

test('a refused request writes nothing and reserves nothing', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { user: 0 })
    const count = async () => {
      const [row] = await tx`
        select (select count(*) from public.chat_sessions) as sessions,
          (select count(*) from public.chat_messages) as messages,
          (select count(*) from public.agent_executions) as executions,
          (select count(*) from client_mgmt.budget_counters) as counters`
      return row
    }
    const before = await count()
    await as(
      tx,
      owner,
      (t) => t`insert into client_mgmt.budgets (period, limit_tokens) values ('day', 1)`,
    )
    expect(await fill(tx, owner, agent)).toMatchObject({ admitted: 0, limit: 'user' })
    expect(await count()).toEqual(before)
  })
})

test('only the platform sets limits', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner } = await arrange(tx)
    for (const actor of [owner, 'anon'] as const) {
      const raise = as(
        tx,
        actor,
        (t) => t`update client_mgmt.organization_limits set max_concurrent_per_user = 1000`,
      )
      expect(await outcome(raise)).toMatch(/^42501 /)
    }
  })
})
