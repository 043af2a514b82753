import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addAccount,
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  refusal,
  signIn,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const erase = (tx: TransactionSql, { id }: Account) => tx`delete from auth.users where id = ${id}`
const isActive = async (tx: TransactionSql | typeof sql, organizationId: number) => {
  const [row] = await tx<{ is_active: boolean }[]>`
    select is_active from public.organizations where id = ${organizationId}`
  return row?.is_active
}
const appoint =
  (organizationId: number, person: { id: string }, reason: string | null = 'The heirs asked.') =>
  (tx: TransactionSql) =>
    tx`select public.appoint_owner(${organizationId}, ${person.id}, ${reason})`
const resume = (organizationId: number) => (tx: TransactionSql) =>
  tx`select public.set_organization_active(${organizationId}, true, 'paid')`
const owners = (tx: TransactionSql, organizationId: number) => tx`
  select user_id from client_mgmt.client_users
  where organization_id = ${organizationId} and role = 'owner' and ended_at is null`

test('an organization closes when the account of its only owner goes, and says so in its log', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin')
    await erase(tx, owner)
    expect(await isActive(tx, owner.organizationId)).toBe(false)
    const read = (t: TransactionSql) => t`select 1 from public.organizations`
    expect(await as(tx, admin, read)).toEqual([])
    const [event] = await tx<{ details: object }[]>`
      select details from public.audit_logs
      where organization_id = ${owner.organizationId} and action = 'organization.close'`
    expect(event?.details).toEqual({ reason: 'The account of the only owner was deleted.' })
  })
})

test('an organization with another owner, and one that the account only joined, stay open', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const second = await addMember(tx, owner.organizationId, 'owner')
    const member = await addMember(tx, owner.organizationId)
    await erase(tx, member)
    await erase(tx, owner)
    expect(await isActive(tx, owner.organizationId)).toBe(true)
    await erase(tx, second)
    expect(await isActive(tx, owner.organizationId)).toBe(false)
  })
})

test('of two owners whose accounts go at once the last one closes the organization', async () => {
  const [one, two] = await sql.begin(async (tx) => {
    const owner = await addOwner(tx)
    return [owner, await addMember(tx, owner.organizationId, 'owner')] as const
  })
  let second: Promise<unknown> | undefined
  await sql.begin(async (tx) => {
    await erase(tx, one)
    second = sql.begin((other) => erase(other, two))
    await untilSomeoneWaits(tx)
  })
  await second
  expect(await isActive(sql, one.organizationId)).toBe(false)
})

test('the platform gives a closed organization a new owner, who finds it as it was', async () => {
  await rolledBack(sql, async (tx) => {
    const platform = await addPlatformAdmin(tx)
    const owner = await addOwner(tx)
    const admin = await addMember(tx, owner.organizationId, 'admin', ['content.read_all'])
    await as(tx, admin, (t) => t`insert into public.chat_sessions (title) values ('kept')`)
    await erase(tx, owner)
    const listed = await as(
      tx,
      platform,
      (t) => t`select id, is_active, owners, members from public.platform_organizations()`,
    )
    expect(listed).toContainEqual({
      id: String(owner.organizationId),
      is_active: false,
      owners: '0',
      members: '1',
    })
    expect(await refusal(tx, platform, resume(owner.organizationId))).toBe(
      'PT409 organization_without_owner',
    )
    expect(await isActive(tx, owner.organizationId)).toBe(false)
    await as(tx, platform, appoint(owner.organizationId, admin))
    expect(await isActive(tx, owner.organizationId)).toBe(true)
    const again = await signIn(tx, admin)
    expect(again.claims).toMatchObject({ organization_role: 'owner' })
    expect(await as(tx, again, (t) => t`select title from public.chat_sessions`)).toEqual([
      { title: 'kept' },
    ])
    const actions = await tx`
      select action, details ->> 'reason' as reason from public.admin_audit_log
      where resource_id = ${String(owner.organizationId)} and action = 'organization.appoint_owner'`
    expect(actions).toMatchObject([{ reason: 'The heirs asked.' }])
    const told = await tx`
      select 1 from public.audit_logs
      where organization_id = ${owner.organizationId} and action = 'organization.appoint_owner'`
    expect(told).toHaveLength(1)
  })
})

test('a former member and a person who never joined may be appointed, with the role alone', async () => {
  await rolledBack(sql, async (tx) => {
    const platform = await addPlatformAdmin(tx)
    for (const wasMember of [true, false]) {
      const owner = await addOwner(tx)
      const heir = wasMember
        ? await addMember(tx, owner.organizationId, 'member', ['audit.read'])
        : await addAccount(tx)
      if (wasMember) await as(tx, owner, (t) => t`select public.remove_member(${heir.id})`)
      await erase(tx, owner)
      await as(tx, platform, appoint(owner.organizationId, heir))
      expect(
        await tx`
        select role, permissions, ended_at from client_mgmt.client_users
        where organization_id = ${owner.organizationId} and user_id = ${heir.id}`,
      ).toEqual([{ role: 'owner', permissions: [], ended_at: null }])
    }
  })
})

test('nobody enters an organization by an appointment that it does not need', async () => {
  await rolledBack(sql, async (tx) => {
    const platform = await addPlatformAdmin(tx)
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const at = owner.organizationId
    expect(await refusal(tx, platform, appoint(at, member))).toBe('PT409 organization_has_owner')
    await tx`update public.organizations set is_active = false where id = ${at}`
    expect(await refusal(tx, platform, appoint(at, member))).toBe('PT409 organization_has_owner')
    expect(await refusal(tx, platform, resume(at))).toBe('allowed')
    await erase(tx, owner)
    expect(await refusal(tx, platform, appoint(at, platform))).toBe('42501 permission_denied')
    expect(await refusal(tx, platform, appoint(at, { id: crypto.randomUUID() }))).toBe(
      'PT404 account_not_found',
    )
    await tx`update public.users set is_active = false where id = ${member.id}`
    expect(await refusal(tx, platform, appoint(at, member))).toBe('PT404 account_not_found')
    await tx`update public.users set is_active = true where id = ${member.id}`
    expect(await refusal(tx, platform, appoint(at, member, ' '))).toBe('22023 invalid_request')
    expect(await refusal(tx, platform, appoint(0, member))).toBe('PT404 organization_not_found')
    for (const actor of [member, 'service_role', 'anon'] as const) {
      expect(await refusal(tx, actor, appoint(at, member))).toMatch(/^42501 /)
    }
    expect(await owners(tx, at)).toEqual([])
    expect(await refusal(tx, platform, appoint(at, member))).toBe('allowed')
    expect(await owners(tx, at)).toEqual([{ user_id: member.id }])
  })
})
