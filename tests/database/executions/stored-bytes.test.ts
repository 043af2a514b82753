import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, outcome } from '../../support/people/tenants.ts'
import { refusedWith } from '../../support/rows/budgets.ts'
import { addAgent, begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

type Limit = 'stored_bytes' | 'stored_bytes_per_user'

async function arrange(tx: TransactionSql, limits: Partial<Record<Limit, number>> = {}) {
  const owner = await addOwner(tx)
  const { name: agent } = await addAgent(tx, owner)
  if (Object.keys(limits).length > 0) await limit(tx, owner, limits)
  return { owner, agent, member: await addMember(tx, owner.organizationId) }
}

const limit = (
  tx: TransactionSql,
  { organizationId }: Member,
  limits: Partial<Record<Limit, number>>,
) =>
  as(
    tx,
    'service_role',
    (t) => t`
      update client_mgmt.organization_limits set ${t(limits)} where organization_id = ${organizationId}`,
  )

async function turn(tx: TransactionSql, person: Member, agent: string, length = 5_000) {
  const begun = await as(tx, person, begin({ agent, content: 'q'.repeat(length) }))
  await as(tx, 'service_role', finish(begun, { ...outcomes.success, content: 'a'.repeat(length) }))
  return begun
}

const forget = (tx: TransactionSql, person: Member, { session_id }: Begun) =>
  as(tx, person, (t) => t`delete from public.chat_sessions where id = ${session_id}`)

/** What the counters say, the organization's first, and what is there. */
async function compared(tx: TransactionSql, { organizationId }: Member) {
  const counted = await tx<{ bytes: number }[]>`
    select (w.stored_bytes - coalesce(sum(r.bytes), 0))::integer as bytes
    from private.rate_windows w
    left join private.stored_returns r
      on r.organization_id = w.organization_id and r.rate_window_id = w.id
    where w.organization_id = ${organizationId}
    group by w.organization_id, w.id order by w.user_id nulls first`
  const there = await tx<{ bytes: number }[]>`
    select sum(stored_bytes)::integer as bytes from public.agent_executions
    where organization_id = ${organizationId} and completed_at is not null
    group by grouping sets ((), (user_id)) order by user_id nulls first`
  return { counted: counted.map(({ bytes }) => bytes), there: there.map(({ bytes }) => bytes) }
}

test.each([
  ['member', 'stored_bytes_per_user', 'allowed'],
  ['organization', 'stored_bytes', 'PT409 quota_exceeded'],
] as const)(
  'the conversations of one %s have a bound: at it nothing begins, what has begun ends, a deletion gives back',
  async (scope, column, colleague) => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent, member } = await arrange(tx, { [column]: 20_000 })
      const first = await turn(tx, owner, agent)
      const second = await as(tx, owner, begin({ agent, content: 'q'.repeat(5_000) }))
      const third = await as(tx, owner, begin({ agent, content: 'q'.repeat(5_000) }))
      for (const begun of [second, third]) {
        const ended = await as(
          tx,
          'service_role',
          finish(begun, { ...outcomes.success, content: 'a'.repeat(50_000) }),
        )
        expect(ended.message?.content).toHaveLength(50_000)
      }
      const { message, hint } = await refusedWith(as(tx, owner, begin({ agent })))
      expect(message).toBe('quota_exceeded')
      expect(hint).toEqual({
        table: 'public.agent_executions',
        scope,
        bound: 'bytes',
        allowed: 20_000,
      })
      expect(await outcome(as(tx, member, begin({ agent })))).toBe(colleague)
      const other = await arrange(tx)
      await as(tx, other.owner, begin({ agent: other.agent }))

      await forget(tx, owner, second)
      expect(await outcome(as(tx, owner, begin({ agent })))).toBe('PT409 quota_exceeded')
      await forget(tx, owner, third)
      await forget(tx, owner, first)
      await turn(tx, owner, agent)
      expect(await outcome(as(tx, owner, begin({ agent })))).toBe('allowed')
    })
  },
)

test('the counters are what is there, after every kind of change', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent, member } = await arrange(tx)
    const kept = await turn(tx, owner, agent)
    await turn(tx, member, agent)
    const gone = await turn(tx, member, agent)
    await as(
      tx,
      owner,
      begin({ agent, session_id: kept.session_id, regenerate: kept.message_id }),
    ).then((begun) => as(tx, 'service_role', finish(begun, outcomes.fault)))
    await as(tx, member, begin({ agent }))
    const deletedMidway = await as(tx, owner, begin({ agent }))
    const before = await compared(tx, owner)
    expect(before.counted).toEqual(before.there)
    expect(before.there).toHaveLength(3)
    await forget(tx, owner, deletedMidway)
    await forget(tx, member, gone)
    const after = await compared(tx, owner)
    expect(after.counted).toEqual(after.there)
    expect(after.there[0]).toBeLessThan((before.there[0] ?? 0) - 10_000)
    // At the bound the counters take off what was given back.
    const [bytes = 0] = after.there
    await limit(tx, owner, { stored_bytes: bytes + 1, stored_bytes_per_user: bytes + 1 })
    await as(tx, member, begin({ agent }))
    const folded = await compared(tx, owner)
    expect(folded.counted).toEqual(folded.there)
    const left = await tx`
      select 1 from private.stored_returns r
      join private.rate_windows w on w.organization_id = r.organization_id and w.id = r.rate_window_id
      where r.organization_id = ${owner.organizationId} and w.user_id is null`
    expect(left).toHaveLength(0)
  })
})

test('the question, the answer and the events of a stream are counted', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const stored = async (length: number, events: string) => {
      const begun = await as(tx, owner, begin({ agent, content: 'q'.repeat(length) }))
      await as(
        tx,
        'service_role',
        (t) => t`
          select public.append_execution_events(
            ${begun.organization_id}, ${begun.execution_id}, 0, ${events})`,
      )
      await as(
        tx,
        'service_role',
        finish(begun, { ...outcomes.success, content: 'a'.repeat(length) }),
      )
      const [row] = await tx<{ bytes: number }[]>`
        select stored_bytes::integer as bytes from public.agent_executions
        where id = ${begun.execution_id}`
      return row?.bytes ?? 0
    }
    const short = await stored(10, '[{"type":"start"}]')
    expect(await stored(1_010, '[{"type":"start"}]')).toBe(short + 2_000)
    // Stored compressed or not, the longer stream counts more.
    const random = Array.from({ length: 2_000 }, (_, n) => (n * 7_919) % 10_007).join(',')
    expect(await stored(10, `[{"type":"${random}"}]`)).toBeGreaterThan(short + 2_000)
  })
})

test('deleting a membership or the organization leaves no counter of it', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent, member } = await arrange(tx)
    await turn(tx, owner, agent)
    await turn(tx, member, agent)
    await tx`delete from client_mgmt.client_users where user_id = ${member.id}`
    const { counted, there } = await compared(tx, owner)
    expect(counted).toEqual(there)
    await tx`delete from public.organizations where id = ${owner.organizationId}`
    expect(
      await tx`
      select 1 from private.stored_returns where organization_id = ${owner.organizationId}`,
    ).toHaveLength(0)
  })
})

test('many deletions leave one return for each counter, which a refused beginning adds up', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
    const turns: Begun[] = []
    for (let n = 0; n < 6; n++) turns.push(await turn(tx, owner, agent, 100))
    for (const one of turns) await forget(tx, owner, one)
    const returns = await tx`
      select sum(bytes)::integer as bytes from private.stored_returns
      where organization_id = ${owner.organizationId} group by id`
    expect(returns).toHaveLength(2)
    expect((await compared(tx, owner)).counted).toEqual([0, 0])
  })
})
