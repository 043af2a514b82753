import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addDevice,
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  refusal,
} from '../support/people/tenants.ts'
import { addAbandoned } from '../support/people/guests.ts'
import { addPricedAgent } from '../support/rows/budgets.ts'
import { begin, finish } from '../support/rows/executions.ts'
import { addConnection, addState } from '../support/rows/mcp-rows.ts'
import { actAs, connectOwner, rolledBack } from '../support/stack/database.ts'

const sql = connectOwner()
const past = new Date(Date.now() - 60_000)
const future = new Date(Date.now() + 600_000)
const longPast = new Date(Date.now() - 31 * 86_400_000)

const addInvitation = (
  tx: TransactionSql,
  { organizationId, id }: Member,
  expires = longPast,
  ended: { accepted_at?: Date; revoked_at?: Date } = {},
) => tx`
  insert into client_mgmt.invitations ${tx({
    organization_id: organizationId,
    email: `${randomUUID()}@example.com`,
    role: 'member',
    invited_by: id,
    expires_at: expires,
    ...ended,
  })}`

const addChat = (
  tx: TransactionSql,
  { organizationId, id }: Member,
  row: { status: string; metadata: object; last_message_at: Date },
) => tx`
  insert into public.chat_sessions ${tx({
    organization_id: organizationId,
    user_id: id,
    ...row,
    metadata: tx.json(row.metadata as never),
  })}`

const routines = async (tx: TransactionSql) => {
  const list = await tx<{ routine: string }[]>`select routine from public.clean_ups()`
  return list.map(({ routine }) => routine)
}

const run = (name: string, batch: number | null) => async (tx: TransactionSql) => {
  const [row] = await tx.unsafe<{ handled: number }[]>(
    `select public.${name}(${batch ?? 'null'}) as handled`,
  )
  return Number(row?.handled)
}

/** Makes one row the function must handle. */
const expired = {
  cleanup_expired_sessions: async (tx: TransactionSql, owner: Member) => {
    const device = await addDevice(tx, owner)
    await tx`update public.user_sessions set expires_at = ${past} where id = ${device.sessionId}`
  },
  cleanup_expired_oauth_states: (tx: TransactionSql, owner: Member) =>
    addState(tx, owner, { expires_at: past }),
  cleanup_expired_oauth_tokens: (tx: TransactionSql, owner: Member) =>
    addConnection(tx, owner, { refresh_token: null, expires_at: past }),
  cleanup_unused_oauth_clients: (tx: TransactionSql, { organizationId }: Member) => tx`
    insert into client_mgmt.oauth_clients (organization_id, issuer, source, client_id, superseded_at)
    values (${organizationId}, 'https://issuer.example', 'preregistered', 'former', ${longPast})`,
  cleanup_ended_invitations: (tx: TransactionSql, owner: Member) => addInvitation(tx, owner),
  cleanup_transient_sessions: (tx: TransactionSql, owner: Member) =>
    addChat(tx, owner, {
      status: 'closed',
      metadata: { transient: true },
      last_message_at: longPast,
    }),
  cleanup_abandoned_guests: (tx: TransactionSql, owner: Member) => addAbandoned(tx, owner),
  cleanup_change_windows: (tx: TransactionSql, { organizationId }: Member) => tx`
    insert into private.change_windows (organization_id, user_id, started_at, changes)
    values (${organizationId}, ${randomUUID()}, ${longPast}, 1)`,
}

test('the list has every clean-up there is, each of them once', async () => {
  const rows = await sql<{ name: string }[]>`
    select p.proname as name from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prorettype = 'integer'::regtype
      and p.proargnames = '{batch}'
    order by 1`
  expect(rows.length).toBeGreaterThan(5)
  expect((await sql.begin(routines)).sort()).toEqual(rows.map(({ name }) => name))
})

test('each clean-up handles at most a batch and counts what it did', async () => {
  for (const [name, arrange] of Object.entries(expired)) {
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
  for (const [name, arrange] of Object.entries(expired)) {
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

test('a clean-up of tokens passes over an audit chain in use, so that a removal never fails', async () => {
  const owner = await sql.begin(async (tx) => addOwner(tx))
  const member = await sql.begin(async (tx) => {
    const member = await addMember(tx, owner.organizationId)
    await expired.cleanup_expired_oauth_tokens(tx, member)
    return member
  })
  const tokens = () =>
    sql`select 1 from public.mcp_oauth_tokens where organization_id = ${owner.organizationId}`
  await sql.begin(async (tx) => {
    // As remove_member() does, just before it disconnects the member.
    await tx`select 1 from private.audit_heads
      where organization_id = ${owner.organizationId} for update`
    await rolledBack(sql, async (inner) => {
      await inner`set local lock_timeout = '1s'`
      await as(inner, 'service_role', run('cleanup_expired_oauth_tokens', 100_000))
      await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    })
  })
  expect(await tokens()).toHaveLength(0)
})

test('a clean-up of sessions passes over one that signs out at the same time', async () => {
  const owner = await sql.begin(async (tx) => addOwner(tx))
  await sql`update public.user_sessions set expires_at = ${past} where id = ${owner.sessionId}`
  await sql.begin(async (tx) => {
    await tx`select 1 from auth.sessions where id = ${owner.sessionId} for update`
    await rolledBack(sql, async (inner) => {
      await inner`set local lock_timeout = '1s'`
      await as(inner, 'service_role', run('cleanup_expired_sessions', 100_000))
      expect(
        await inner`select 1 from public.user_sessions where id = ${owner.sessionId}`,
      ).toHaveLength(1)
    })
    await tx`delete from auth.sessions where id = ${owner.sessionId}`
  })
  await committedAs(sql, 'service_role', run('cleanup_expired_sessions', 100_000))
  expect(await sql`select 1 from public.user_sessions where id = ${owner.sessionId}`).toHaveLength(
    0,
  )
})

test('an execution that cannot be ended keeps no other from its end', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addPricedAgent(tx, owner)
    const dead = [await as(tx, owner, begin({ agent })), await as(tx, owner, begin({ agent }))]
    const ids = dead.map(({ execution_id }) => execution_id)
    for (const [n, id] of ids.entries()) {
      const years = 10 - n
      // Before any other that a test has left.
      await tx`
        update public.agent_executions set lease_expires_at = now() - make_interval(years => ${years})
        where id = ${id}`
    }
    await tx.unsafe(`alter table client_mgmt.usage_ledger
      add constraint refused check (execution_id <> '${ids[0]}') not valid`)
    // In batches of one: the first leaves the head of the queue.
    for (const handled of [0, 1]) {
      expect(await as(tx, 'service_role', run('expire_execution_leases', 1))).toBe(handled)
    }
    const rows = await tx`
      select status, lease_expires_at > clock_timestamp() as waits from public.agent_executions
      where id in ${tx(ids)} order by id = ${ids[1] ?? ''}`
    expect(rows).toEqual([
      { status: 'running', waits: true },
      { status: 'failed', waits: false },
    ])
  })
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
    for (const name of await routines(tx)) await as(tx, 'service_role', run(name, 100_000))
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
    for (const name of await routines(tx)) {
      expect(await refusal(tx, 'anon', run(name, 1)), name).toMatch(/^42501 /)
      expect(await refusal(tx, owner, run(name, 1)), name).toMatch(/^42501 /)
    }
  })
})
