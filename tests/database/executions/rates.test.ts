import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  outcome,
} from '../../support/people/tenants.ts'
import { refusedWith } from '../../support/rows/budgets.ts'
import { addAgent, begin, finish, outcomes } from '../../support/rows/executions.ts'
import { rolledBack } from '../../support/stack/database.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'

// Of its own, because it begins many at once and a platform counts everyone's executions.
const database = ownDatabase(24)

type Limit =
  | 'requests_per_minute'
  | 'requests_per_minute_per_user'
  | 'tokens_per_minute'
  | 'tokens_per_minute_per_user'

async function arrange(tx: TransactionSql, limits: Partial<Record<Limit, number>>) {
  const owner = await addOwner(tx)
  await as(
    tx,
    'service_role',
    (t) => t`
      update client_mgmt.organization_limits
      set ${t({ max_concurrent_executions: 1000, max_concurrent_per_user: 1000, ...limits })}
      where organization_id = ${owner.organizationId}`,
  )
  const { name: agent } = await addAgent(tx, owner)
  return { owner, agent }
}

const windowsOf = (tx: TransactionSql, { organizationId }: Member) => tx<
  { user_id: string | null; requests: number; tokens: number }[]
>`
  select user_id, requests, tokens::integer from private.rate_windows
  where organization_id = ${organizationId} order by user_id nulls first`

/** A minute passes. */
const later = (tx: TransactionSql) =>
  tx`update private.rate_windows set started_at = started_at - interval '1 minute'`

test.each([
  ['requests', 'user', { requests_per_minute_per_user: 3 }, 3],
  ['requests', 'organization', { requests_per_minute: 3 }, 3],
  ['tokens', 'user', { tokens_per_minute_per_user: 13_000 }, 13_000],
  ['tokens', 'organization', { tokens_per_minute: 13_000 }, 13_000],
] as const)(
  'so many %s of one %s begin in a minute; the refusal names the bound and says when to come back',
  async (what, scope, limits, allowed) => {
    await rolledBack(database(), async (tx) => {
      const { owner, agent } = await arrange(tx, limits)
      const ben = await addMember(tx, owner.organizationId)
      for (let n = 0; n < 3; n++) await as(tx, owner, begin({ agent }))
      const { message, hint } = await refusedWith(as(tx, owner, begin({ agent })))
      expect(message).toBe('rate_limited')
      expect(hint).toEqual({
        limit: `${what}_per_minute`,
        scope,
        allowed,
        retry_after: expect.any(Number) as number,
      })
      expect(hint['retry_after']).toBeGreaterThanOrEqual(1)
      expect(hint['retry_after']).toBeLessThanOrEqual(60)

      // A colleague is bound by the organization's limit only, another organization by neither.
      expect(await outcome(as(tx, ben, begin({ agent })))).toBe(
        scope === 'user' ? 'allowed' : 'PT429 rate_limited',
      )
      const other = await arrange(tx, {})
      await as(tx, other.owner, begin({ agent: other.agent }))

      await later(tx)
      for (let n = 0; n < 3; n++) await as(tx, owner, begin({ agent }))
      expect(await outcome(as(tx, owner, begin({ agent })))).toBe('PT429 rate_limited')
    })
  },
)

test.each([
  ['requests_per_minute', 7],
  ['requests_per_minute_per_user', 7],
  // Of 4,122 tokens each: the conversation as JSON, and 4,096 for an answer without a bound.
  ['tokens_per_minute', 7 * 4_200],
  ['tokens_per_minute_per_user', 7 * 4_200],
] as const)(
  'of 24 at once exactly the 7 that %s lets begin are admitted',
  async (limit, allowed) => {
    const sql = database()
    const { owner, agent } = await sql.begin((tx) => arrange(tx, { [limit]: allowed }))
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => outcome(committedAs(sql, owner, begin({ agent })))),
    )
    expect(answers.filter((answer) => answer === 'allowed')).toHaveLength(7)
    expect(answers.filter((answer) => answer === 'PT429 rate_limited')).toHaveLength(17)
    const windows = await sql.begin((tx) => windowsOf(tx, owner))
    expect(windows.map(({ requests }) => requests)).toEqual([7, 7])
    await sql`delete from public.agent_executions where organization_id = ${owner.organizationId}`
  },
)

test('a refused request writes nothing, and a repeated one is not counted again', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { requests_per_minute_per_user: 1 })
    const first = await as(tx, owner, begin({ agent, idempotency_key: 'one' }))
    const state = async () => [
      await windowsOf(tx, owner),
      await tx`
        select (select count(*) from public.chat_sessions) as sessions,
          (select count(*) from public.chat_messages) as messages,
          (select count(*) from public.agent_executions) as executions`,
    ]
    const before = await state()
    const again = await as(tx, owner, begin({ agent, idempotency_key: 'one' }))
    expect(again).toMatchObject({ execution_id: first.execution_id, replayed: true })
    expect(await outcome(as(tx, owner, begin({ agent })))).toBe('PT429 rate_limited')
    expect(await state()).toEqual(before)
  })
})

test('an end replaces the estimate by what was used, and refuses nothing', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner, agent } = await arrange(tx, { tokens_per_minute_per_user: 5_000 })
    const tokens = async () => (await windowsOf(tx, owner)).map((row) => row.tokens)
    const first = await as(tx, owner, begin({ agent }))
    const [estimate = 0] = await tokens()
    expect(estimate).toBeGreaterThan(4_096)
    expect(await tokens()).toEqual([estimate, estimate])
    const used = { ...outcomes.success, input_tokens: 30, output_tokens: 12 }
    await as(tx, 'service_role', finish(first, used))
    expect(await tokens()).toEqual([42, 42])

    const long = await as(tx, owner, begin({ agent, params: { max_output_tokens: 10 } }))
    await as(tx, 'service_role', finish(long, { ...used, output_tokens: 90_000 }))
    expect(await tokens()).toEqual([42 + 90_030, 42 + 90_030])
    expect(await outcome(as(tx, owner, begin({ agent })))).toBe('PT429 rate_limited')

    // What was reserved in an earlier minute gives nothing back to this one.
    await later(tx)
    const slow = await as(tx, owner, begin({ agent }))
    await tx`update public.agent_executions set created_at = created_at - interval '2 minutes'`
    await as(tx, 'service_role', finish(slow, outcomes.cancelled))
    expect(await tokens()).toEqual([estimate, estimate])
  })
})

test('only the platform sets rates', async () => {
  await rolledBack(database(), async (tx) => {
    const { owner } = await arrange(tx, {})
    for (const column of ['requests_per_minute', 'tokens_per_minute_per_user']) {
      const raise = as(
        tx,
        owner,
        (t) => t`update client_mgmt.organization_limits set ${t(column)} = 1000000`,
      )
      expect(await outcome(raise)).toMatch(/^42501 /)
    }
  })
})
