import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addDevice, addOwner, as, type Member, refusal } from '../support/people/tenants.ts'
import { addAgent, begin, finish, outcomes } from '../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../support/stack/database.ts'

const sql = connectOwner()
const days = (count: number) => new Date(Date.now() + count * 86_400_000)

const clean = (tx: TransactionSql, routine: string) =>
  as(tx, 'service_role', (t) => t.unsafe(`select public.${routine}(1000)`))

test('an invitation stays 30 days after it expires, whatever became of it', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const invite = (name: string, row: Record<string, Date>) => tx`
      insert into client_mgmt.invitations ${tx({
        organization_id: owner.organizationId,
        email: `${name}@example.com`,
        role: 'member',
        invited_by: owner.id,
        ...row,
      })}`
    await invite('accepted-old', { expires_at: days(-31), accepted_at: days(-37) })
    await invite('revoked-old', { expires_at: days(-31), revoked_at: days(-37) })
    await invite('expired-old', { expires_at: days(-31) })
    await invite('expired', { expires_at: days(-29) })
    await invite('accepted', { expires_at: days(-29), accepted_at: days(-29) })
    await invite('pending', { expires_at: days(1) })
    await clean(tx, 'cleanup_ended_invitations')
    const left = await tx<{ email: string }[]>`
      select email from client_mgmt.invitations
      where organization_id = ${owner.organizationId} order by email`
    expect(left.map(({ email }) => email.split('@')[0])).toEqual(['accepted', 'expired', 'pending'])
    const events = await tx`
      select details from public.audit_logs
      where organization_id = ${owner.organizationId} and action = 'invitation.delete'`
    expect(events).toMatchObject([{ details: { count: 3 } }])
  })
})

async function chats(tx: TransactionSql, { organizationId }: Member) {
  const rows = await tx<{ id: string }[]>`
    select id from public.chat_sessions where organization_id = ${organizationId}`
  return rows.map(({ id }) => id)
}

test('a transient session ends after 30 days, and its usage stays', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const open = async (transient: boolean, ended: boolean) => {
      const begun = await as(tx, owner, begin({ agent, transient }))
      if (ended) await as(tx, 'service_role', finish(begun, outcomes.success))
      return begun.session_id
    }
    const [old, answering, kept, closed] = [
      await open(true, true),
      await open(true, false),
      await open(false, true),
      await open(false, true),
    ]
    // A person closed this one: it is no request of a client that keeps its conversation itself.
    await as(
      tx,
      owner,
      (t) => t`update public.chat_sessions set status = 'closed' where id = ${closed}`,
    )
    await tx`
      update public.chat_sessions set created_at = ${days(-31)}, last_message_at = ${days(-31)}
      where organization_id = ${owner.organizationId}`
    const young = await open(true, true)
    await clean(tx, 'cleanup_transient_sessions')
    expect((await chats(tx, owner)).sort()).toEqual([answering, kept, closed, young].sort())
    const left = await tx`
      select 1 from public.chat_messages
      where organization_id = ${owner.organizationId} and session_id = ${old}`
    expect(left).toHaveLength(0)
    const ledger = await tx`
      select 1 from client_mgmt.usage_ledger where organization_id = ${owner.organizationId}`
    expect(ledger).toHaveLength(4)
  })
})

test('a person has at most 100 sessions: a new one signs out the one that was active longest ago', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const other = await addOwner(tx)
    await tx`
      update public.user_sessions set last_active_at = ${days(-1)} where id = ${owner.sessionId}`
    const first = await addDevice(tx, owner)
    for (let n = 0; n < 98; n++) await addDevice(tx, owner)
    const look = (t: TransactionSql) => t`select private.require_organization()`
    const counts = async () => {
      const [row] = await tx`
        select (select count(*)::integer from public.user_sessions where user_id = ${owner.id}) as rows,
          (select count(*)::integer from auth.sessions where user_id = ${owner.id}) as auth`
      return row
    }
    expect(await counts()).toEqual({ rows: 100, auth: 100 })
    const last = await addDevice(tx, owner)
    expect(await counts()).toEqual({ rows: 100, auth: 100 })
    const left = await tx<{ id: string }[]>`
      select id from public.user_sessions where user_id = ${owner.id}`
    const ids = left.map(({ id }) => id)
    expect(ids).not.toContain(owner.sessionId)
    expect(ids).toEqual(expect.arrayContaining([first.sessionId, last.sessionId]))
    expect(await refusal(tx, owner, look)).not.toBe('allowed')
    // Another person's sessions are no part of it.
    expect(await tx`select 1 from public.user_sessions where id = ${other.sessionId}`).toHaveLength(
      1,
    )
  })
})
