import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'

import { actAs, connectOwner, rolledBack } from '../support/database.ts'
import { addPricedAgent } from '../support/budgets.ts'
import { begin, finish } from '../support/executions.ts'
import { addConnection, addState } from '../support/mcp-rows.ts'
import {
  addDevice,
  addOwner,
  as,
  committedAs,
  refusal,
  untilSomeoneWaits,
  type Member,
} from '../support/tenants.ts'

const sql = connectOwner()
const past = new Date(Date.now() - 60_000)
const future = new Date(Date.now() + 600_000)

const functions = [
  'cleanup_expired_sessions',
  'cleanup_expired_oauth_states',
  'cleanup_expired_oauth_tokens',
  'expire_execution_leases',
  'expire_idempotency_keys',
] as const
type CleanUp = (typeof functions)[number]

const run = (name: CleanUp, batch: number | null) => async (tx: TransactionSql) => {
  const [row] = await tx.unsafe<{ handled: number }[]>(
    `select public.${name}(${batch ?? 'null'}) as handled`,
  )
  return Number(row?.handled)
}

/** Makes one row the function must handle. */
const expired: Record<Exclude<CleanUp, `expire_${string}`>, Arrange> = {
  cleanup_expired_sessions: async (tx, owner) => {
    const device = await addDevice(tx, owner)
    await tx`update public.user_sessions set expires_at = ${past} where id = ${device.sessionId}`
  },
  cleanup_expired_oauth_states: (tx, owner) => addState(tx, owner, { expires_at: past }),
  cleanup_expired_oauth_tokens: (tx, owner) =>
    addConnection(tx, owner, { refresh_token: null, expires_at: past }),
}
type Arrange = (tx: TransactionSql, owner: Member) => Promise<unknown>

test('each clean-up handles at most a batch and counts what it did', async () => {
  for (const [name, arrange] of Object.entries(expired) as [CleanUp, Arrange][]) {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      await as(tx, 'service_role', run(name, 100_000))
      for (let n = 0; n < 5; n++) await arrange(tx, owner)
      const counts = []
      for (const batch of [0, -1, 2, 2, 2, 2]) {
        counts.push(await as(tx, 'service_role', run(name, batch)))
      }
      expect(counts, name).toEqual([0, 0, 2, 2, 1, 0])
    })
  }
})

test('two clean-ups at once share the rows: no wait, no error, none handled twice', async () => {
  for (const [name, arrange] of Object.entries(expired) as [CleanUp, Arrange][]) {
    await sql.begin(async (tx) => {
      for (let n = 0; n < 6; n++) await arrange(tx, await addOwner(tx))
    })
    await rolledBack(sql, async (one) => {
      await one`set local lock_timeout = '1s'`
      await actAs(one, 'service_role')
      const first = await run(name, 3)(one)
      expect(first, name).toBe(3)
      const second = await rolledBack(sql, async (two) => {
        await two`set local lock_timeout = '1s'`
        await actAs(two, 'service_role')
        return run(name, 100_000)(two)
      })
      expect(second, name).toBeGreaterThanOrEqual(3)
      const rest = await run(name, 100_000)(one)
      expect(rest, name).toBe(second)
    })
    await committedAs(sql, 'service_role', run(name, 100_000))
  }
})

test('a clean-up of tokens takes audit chains in one order, so two cannot block each other', async () => {
  const [first, ...others] = await sql.begin(async (tx) => {
    const owners = [await addOwner(tx), await addOwner(tx), await addOwner(tx), await addOwner(tx)]
    for (const owner of owners.toReversed()) await expired.cleanup_expired_oauth_tokens(tx, owner)
    return owners.map(({ organizationId }) => organizationId)
  })
  let cleanUp: Promise<number> | undefined
  await sql.begin(async (tx) => {
    const lock = (inner: TransactionSql, ids: number[]) => inner`
      select 1 from private.audit_heads where organization_id in ${inner(ids)} for update nowait`
    await lock(tx, [first ?? 0])
    cleanUp = committedAs(sql, 'service_role', run('cleanup_expired_oauth_tokens', 100_000))
    await untilSomeoneWaits(tx)
    // It waits for the first and holds none of the later ones.
    expect(await rolledBack(sql, (inner) => lock(inner, others))).toHaveLength(others.length)
  })
  expect(await cleanUp).toBeGreaterThanOrEqual(4)
})

test('sessions, states and tokens that still serve stay', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const revoked = await addDevice(tx, owner)
    await as(tx, owner, (t) => t`select public.revoke_session(${revoked.sessionId})`)
    const state = await addState(tx, owner, { expires_at: future })
    const refreshable = await addConnection(tx, owner, { expires_at: past })
    const valid = await addConnection(tx, owner, { refresh_token: null, expires_at: future })
    const unknown = await addConnection(tx, owner, { refresh_token: null, expires_at: null })
    for (const name of functions) await as(tx, 'service_role', run(name, 100_000))
    const sessions = await tx`
      select 1 from public.user_sessions where id in ${tx([owner.sessionId, revoked.sessionId])}`
    expect(sessions).toHaveLength(2)
    expect(await tx`select 1 from public.oauth_states where id = ${state}`).toHaveLength(1)
    const kept = await tx`
      select 1 from public.mcp_oauth_tokens where id in ${tx([refreshable, valid, unknown])}`
    expect(kept).toHaveLength(3)
    const rows = await as(tx, owner, (t) => t`select 1 from public.organizations`)
    expect(rows).toHaveLength(1)
  })
})

test('an expired session goes with its auth session, so that nothing is left to refresh', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`update public.user_sessions set expires_at = ${past} where id = ${owner.sessionId}`
    await as(tx, 'service_role', run('cleanup_expired_sessions', 100_000))
    expect(await tx`select 1 from auth.sessions where id = ${owner.sessionId}`).toHaveLength(0)
    expect(await tx`select 1 from public.user_sessions where id = ${owner.sessionId}`).toHaveLength(
      0,
    )
    const back = (t: TransactionSql) =>
      t`select public.switch_organization(${owner.organizationId})`
    expect(await refusal(tx, owner, back)).toBe('42501 permission_denied')
  })
})

test('used states go before their time', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const state = await addState(tx, owner, { used: true, expires_at: future })
    await as(tx, 'service_role', run('cleanup_expired_oauth_states', 100_000))
    expect(await tx`select 1 from public.oauth_states where id = ${state}`).toHaveLength(0)
  })
})

test('a key is kept for 24 hours, and longer while its execution lives', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addPricedAgent(tx, owner)
    const age = (execution_id: string, hours: number) => tx`
      update public.agent_executions set created_at = now() - make_interval(hours => ${hours})
      where id = ${execution_id}`
    const again = { agent, idempotency_key: 'again' }
    const first = await as(tx, owner, begin(again))
    await age(first.execution_id, 25)
    const forget = () => as(tx, 'service_role', run('expire_idempotency_keys', 100_000))
    await forget()
    expect(await as(tx, owner, begin(again))).toMatchObject({ replayed: true })
    await as(tx, 'service_role', finish(first))
    await age(first.execution_id, 23)
    await forget()
    expect(await as(tx, owner, begin(again))).toMatchObject({ replayed: true })
    await age(first.execution_id, 25)
    expect(await forget()).toBeGreaterThanOrEqual(1)
    expect(await as(tx, owner, begin(again))).toMatchObject({ replayed: false })
  })
})

test('the id of a message is never used twice, also when its key is forgotten', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addPricedAgent(tx, owner)
    const again = { agent, id: '01990000-0000-7000-8000-000000000001' }
    const first = await as(tx, owner, begin(again))
    await as(tx, 'service_role', finish(first))
    await tx`
      update public.agent_executions set created_at = now() - interval '25 hours'
      where id = ${first.execution_id}`
    await as(tx, 'service_role', run('expire_idempotency_keys', 100_000))
    expect(await refusal(tx, owner, begin(again))).toBe('23505 idempotency_conflict')
  })
})

test('neither anon nor members may clean up', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    for (const name of functions) {
      expect(await refusal(tx, 'anon', run(name, 1)), name).toMatch(/^42501 /)
      expect(await refusal(tx, owner, run(name, 1)), name).toMatch(/^42501 /)
    }
  })
})
