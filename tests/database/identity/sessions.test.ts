import { randomUUID } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addAccount,
  addDevice,
  addMember,
  addOrganization,
  addOwner,
  as,
  join,
  type Member,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { type Claims, connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** Ids of the organizations the token can read; one at most. */
async function visible(tx: TransactionSql, actor: Account | Claims): Promise<number[]> {
  const rows = await as(tx, actor, (inner) => inner`select id from public.organizations`)
  return rows.map((row) => Number(row.id))
}

/** An owner who is also a member of another organization. */
async function addOwnerOfOneMemberOfAnother(
  tx: TransactionSql,
): Promise<{ owner: Member; other: number }> {
  const owner = await addOwner(tx)
  const other = (await addOwner(tx)).organizationId
  await join(tx, other, owner, 'member')
  return { owner, other }
}

test('switching moves this session only, and its old token reads nothing any more', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, other } = await addOwnerOfOneMemberOfAnother(tx)
    const phone = await addDevice(tx, owner)
    const [row] = await as(
      tx,
      owner,
      (inner) => inner`select to_jsonb(public.switch_organization(${other})) as result`,
    )
    expect(row?.result).toEqual({ organization_id: other, role: 'member' })
    expect(await visible(tx, owner)).toEqual([])
    expect(await visible(tx, await signIn(tx, owner, 'token_refresh'))).toEqual([other])
    expect(await visible(tx, phone)).toEqual([owner.organizationId])
    const refreshed = await signIn(tx, phone, 'token_refresh')
    expect(refreshed.claims.organization_id).toBe(owner.organizationId)
  })
})

test('one cannot switch to an organization that is foreign, left, suspended or absent: one error', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, other: left } = await addOwnerOfOneMemberOfAnother(tx)
    await tx`
      update client_mgmt.client_users set ended_at = now()
      where organization_id = ${left} and user_id = ${owner.id}`
    const foreign = (await addOwner(tx)).organizationId
    const suspended = await addOrganization(tx, `suspended-${randomUUID().slice(0, 8)}`)
    await join(tx, suspended, owner, 'owner')
    await tx`update public.organizations set is_active = false where id = ${suspended}`
    for (const target of [left, foreign, suspended, 0, -1, null]) {
      expect(
        await refusal(tx, owner, (inner) => inner`select public.switch_organization(${target})`),
      ).toBe('PT404 organization_not_found')
    }
    expect(await visible(tx, owner)).toEqual([owner.organizationId])
  })
})

test('a revoked session reads nothing and writes nothing from the next statement on', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const phone = await addDevice(tx, owner)
    await as(tx, owner, (inner) => inner`select public.revoke_session(${phone.sessionId})`)
    expect(await visible(tx, phone)).toEqual([])
    expect(await as(tx, phone, (inner) => inner`select id from public.users`)).toEqual([])
    const create = (inner: TransactionSql) => inner`select public.create_organization('X', 'x-y-z')`
    expect(await refusal(tx, phone, create)).toBe('42501 permission_denied')
    const insert = (inner: TransactionSql) =>
      inner`insert into public.chat_sessions (title) values ('still here')`
    expect(await refusal(tx, phone, insert)).toMatch(/^42501 /)
    expect(await visible(tx, owner)).toEqual([owner.organizationId])
  })
})

test('a revoked session cannot come back by switching, refreshing or cleaning up', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, other } = await addOwnerOfOneMemberOfAnother(tx)
    const phone = await addDevice(tx, owner)
    await as(tx, owner, (inner) => inner`select public.revoke_session(${phone.sessionId})`)
    const switchBack = (inner: TransactionSql) => inner`select public.switch_organization(${other})`
    expect(await refusal(tx, phone, switchBack)).toBe('42501 permission_denied')
    await expect(signIn(tx, phone, 'token_refresh')).rejects.toThrow('session_revoked')

    // Long after, when nothing but the token is left of the session.
    await tx`
      update public.user_sessions set revoked_at = now() - interval '31 days'
      where id = ${phone.sessionId}`
    await tx`select public.cleanup_expired_sessions(100000)`
    const rows = await tx`select 1 from public.user_sessions where id = ${phone.sessionId}`
    expect(rows).toHaveLength(0)
    expect(await refusal(tx, phone, switchBack)).toBe('42501 permission_denied')
    expect(await visible(tx, phone)).toEqual([])
  })
})

test('signing out ends the access of the token that is left', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`delete from auth.sessions where id = ${owner.sessionId}`
    expect(await visible(tx, owner)).toEqual([])
    expect(await as(tx, owner, (inner) => inner`select id from public.users`)).toEqual([])
  })
})

test('an expired session gives no access', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await tx`
      update public.user_sessions set expires_at = now() - interval '1 second'
      where id = ${owner.sessionId}`
    expect(await visible(tx, owner)).toEqual([])
    await expect(signIn(tx, owner, 'token_refresh')).rejects.toThrow('session_revoked')
  })
})

test('one can revoke one’s own sessions only, also without any organization', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const colleague = await addMember(tx, owner.organizationId)
    const revoke = (inner: TransactionSql) =>
      inner`select public.revoke_session(${owner.sessionId})`
    expect(await refusal(tx, colleague, revoke)).toBe('PT404 session_not_found')
    expect(await refusal(tx, 'anon', revoke)).toMatch(/^42501 /)
    expect(await visible(tx, owner)).toEqual([owner.organizationId])

    const loner = await addAccount(tx)
    const second = await addDevice(tx, loner)
    await as(tx, loner, (inner) => inner`select public.revoke_session(${second.sessionId})`)
    expect(await as(tx, second, (inner) => inner`select id from public.users`)).toEqual([])
    expect(await as(tx, loner, (inner) => inner`select id from public.users`)).toHaveLength(1)
  })
})

test('the session list shows all one’s devices, the one in use marked, and nobody else’s', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, other } = await addOwnerOfOneMemberOfAnother(tx)
    await addMember(tx, owner.organizationId)
    const phone = await addDevice(tx, owner)
    const gone = await addDevice(tx, owner)
    await as(tx, phone, (inner) => inner`select public.switch_organization(${other})`)
    await as(tx, owner, (inner) => inner`select public.revoke_session(${gone.sessionId})`)
    const rows = await as(tx, owner, (inner) => inner`select * from public.list_sessions()`)
    expect(new Map(rows.map((row) => [String(row.id), Boolean(row.is_current)]))).toEqual(
      new Map([
        [owner.sessionId, true],
        [phone.sessionId, false],
      ]),
    )
    expect(Object.keys(rows[0] ?? {})).not.toContain('organization_id')
  })
})

test('nobody writes a session row but the columns of their own workspace', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const colleague = await addMember(tx, owner.organizationId)
    for (const column of ['organization_id', 'permissions', 'role', 'is_active', 'revoked_at']) {
      const update = (inner: TransactionSql) =>
        inner`update public.user_sessions set ${inner(column)} = default`
      expect(await refusal(tx, colleague, update), column).toMatch(/^42501 /)
    }
    await as(
      tx,
      colleague,
      (inner) => inner`update public.user_sessions set workspace_path = '/mine'`,
    )
    const rows = await tx`
      select id from public.user_sessions where workspace_path = '/mine'`
    expect(rows.map((row) => String(row.id))).toEqual([colleague.sessionId])
  })
})
