import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const suspend =
  (organizationId: number, reason: string | null = 'unpaid') =>
  (tx: TransactionSql) =>
    tx`select public.set_organization_active(${organizationId}, false, ${reason})`
const suspendAccount =
  (id: string, reason: string | null = 'abuse') =>
  (tx: TransactionSql) =>
    tx`select public.set_account_active(${id}, false, ${reason})`

const adminEvents = (tx: TransactionSql, resourceType: string, id: string | number) =>
  tx`
    select admin_email, action, details from public.admin_audit_log
    where resource_type = ${resourceType} and resource_id = ${String(id)} order by id`

test('administrators list and suspend organizations, and see nothing inside', async () => {
  await rolledBack(sql, async (tx) => {
    const admin = await addPlatformAdmin(tx)
    const owner = await addOwner(tx)
    const list = (inner: TransactionSql) => inner`select * from public.platform_organizations()`
    const rows = await as(tx, admin, list)
    const row = rows.find(({ id }) => Number(id) === owner.organizationId)
    expect(row).toMatchObject({ is_active: true, members: '1' })
    expect(Object.keys(row ?? {})).not.toContain('settings')
    for (const table of [
      'public.organizations',
      'public.chat_sessions',
      'public.audit_logs',
      'client_mgmt.client_users',
      'client_mgmt.access_grants',
    ]) {
      expect(await as(tx, admin, (t) => t.unsafe(`select 1 from ${table}`)), table).toEqual([])
    }
  })
})

test('no owner, member, service_role or anon does what an administrator does', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const former = await addPlatformAdmin(tx)
    await tx`update public.platform_admins set is_active = false where user_id = ${former.id}`
    const calls = [
      (t: TransactionSql) => t`select public.platform_organizations()`,
      suspend(owner.organizationId),
      suspendAccount(owner.id),
      (t: TransactionSql) =>
        t`select public.open_break_glass(${owner.organizationId}, 'because I can')`,
    ]
    for (const call of calls) {
      expect(await refusal(tx, owner, call)).toBe('42501 permission_denied')
      expect(await refusal(tx, former, call)).toBe('42501 permission_denied')
      expect(await refusal(tx, 'service_role', call)).toMatch(/^42501 /)
      expect(await refusal(tx, 'anon', call)).toMatch(/^42501 /)
    }
    for (const actor of [owner, former, 'service_role', 'anon'] as const) {
      for (const table of ['platform_admins', 'admin_audit_log']) {
        const read = (t: TransactionSql) => t.unsafe(`select 1 from public.${table}`)
        expect(await refusal(tx, actor, read)).toMatch(/^42501 /)
      }
    }
  })
})

test('suspending an organization stops everyone in it at once, and resuming restores them', async () => {
  await rolledBack(sql, async (tx) => {
    const admin = await addPlatformAdmin(tx)
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const read = (t: TransactionSql) => t`select 1 from public.organizations`
    await as(tx, admin, suspend(owner.organizationId))
    expect(await as(tx, owner, read)).toEqual([])
    expect(await as(tx, member, read)).toEqual([])
    const write = (t: TransactionSql) => t`insert into public.chat_sessions default values`
    expect(await refusal(tx, member, write)).toMatch(/^42501 /)
    const resume = (t: TransactionSql) =>
      t`select public.set_organization_active(${owner.organizationId}, true, 'paid')`
    await as(tx, admin, resume)
    expect(await as(tx, owner, read)).toHaveLength(1)

    const events = await adminEvents(tx, 'organization', owner.organizationId)
    expect(
      events.map((event) => [event.action, event.admin_email, event.details] as unknown),
    ).toEqual([
      ['organization.suspend', admin.email, { reason: 'unpaid' }],
      ['organization.resume', admin.email, { reason: 'paid' }],
    ])
    const seen = await as(
      tx,
      owner,
      (t) => t`
        select actor, user_id from public.audit_logs
        where action = 'organization.update' order by sequence`,
    )
    const entry = { actor: 'platform_admin', user_id: admin.id }
    expect(seen).toEqual([entry, entry])
  })
})

test('suspending an account stops it in every organization at once, sign-in included', async () => {
  await rolledBack(sql, async (tx) => {
    const admin = await addPlatformAdmin(tx)
    const owner = await addOwner(tx)
    await as(tx, admin, suspendAccount(owner.id))
    expect(await as(tx, owner, (t) => t`select 1 from public.organizations`)).toEqual([])
    expect(await as(tx, owner, (t) => t`select 1 from public.users`)).toEqual([])
    const create = (t: TransactionSql) => t`select public.create_organization('X', 'x-y-z-1')`
    expect(await refusal(tx, owner, create)).toBe('42501 permission_denied')
    await expect(signIn(tx, owner)).rejects.toThrow('account_suspended')
    const events = await adminEvents(tx, 'account', owner.id)
    expect(events.map((event) => [event.action, event.admin_email] as unknown)).toEqual([
      ['account.update', admin.email],
      ['account.suspend', admin.email],
    ])
  })
})

test('a suspended administrator is none, and cannot resume their own account', async () => {
  await rolledBack(sql, async (tx) => {
    const [one, two] = [await addPlatformAdmin(tx), await addPlatformAdmin(tx)]
    await as(tx, one, suspendAccount(two.id))
    const resume = (t: TransactionSql) =>
      t`select public.set_account_active(${two.id}, true, 'I am back')`
    expect(await refusal(tx, two, resume)).toBe('42501 permission_denied')
  })
})

test('a suspension needs a decision, a reason and something to suspend', async () => {
  await rolledBack(sql, async (tx) => {
    const admin = await addPlatformAdmin(tx)
    const owner = await addOwner(tx)
    for (const reason of [null, '', '  ', 'x'.repeat(1001)]) {
      expect(await refusal(tx, admin, suspend(owner.organizationId, reason))).toBe(
        '22023 invalid_request',
      )
      expect(await refusal(tx, admin, suspendAccount(owner.id, reason))).toBe(
        '22023 invalid_request',
      )
    }
    const undecided = (t: TransactionSql) =>
      t`select public.set_organization_active(${owner.organizationId}, null, 'why')`
    expect(await refusal(tx, admin, undecided)).toBe('22023 invalid_request')
    expect(await refusal(tx, admin, suspend(0))).toBe('PT404 organization_not_found')
    expect(await refusal(tx, admin, suspendAccount(crypto.randomUUID()))).toBe(
      'PT404 account_not_found',
    )
    expect(await as(tx, owner, (t) => t`select 1 from public.organizations`)).toHaveLength(1)
  })
})

test('a suspension made with the secret key is recorded too', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await as(
      tx,
      'service_role',
      (t) => t`update public.users set is_active = false where id = ${owner.id}`,
    )
    expect(await as(tx, owner, (t) => t`select 1 from public.organizations`)).toEqual([])
    const [event] = await adminEvents(tx, 'account', owner.id)
    expect(event).toMatchObject({ action: 'account.update', admin_email: null })
  })
})

test('nobody prunes the administrators’ log, its owner neither', async () => {
  await rolledBack(sql, async (tx) => {
    const admin = await addPlatformAdmin(tx)
    await as(tx, admin, (t) => t`select * from public.platform_organizations()`)
    for (const statement of [
      `delete from public.admin_audit_log`,
      `update public.admin_audit_log set admin_email = 'someone'`,
      `truncate public.admin_audit_log`,
    ]) {
      for (const actor of [admin, 'service_role'] as const) {
        expect(await refusal(tx, actor, (t) => t.unsafe(statement)), statement).toMatch(/^42501 /)
      }
      const asOwner = await tx.savepoint((t) => t.unsafe(statement)).catch((e: unknown) => e)
      expect(asOwner, statement).toMatchObject({ code: '42501', message: 'append_only' })
    }
    const rows = await tx`
      select admin_email from public.admin_audit_log where action = 'organizations.list'`
    expect(rows.at(-1)).toEqual({ admin_email: admin.email })
  })
})

test('changes to the list of administrators are recorded', async () => {
  await rolledBack(sql, async (tx) => {
    const admin = await addPlatformAdmin(tx)
    await tx`update public.platform_admins set is_active = false where user_id = ${admin.id}`
    await tx`delete from public.platform_admins where user_id = ${admin.id}`
    const rows = await tx`
      select action from public.admin_audit_log where resource_type = 'platform_admin'
      order by id desc limit 3`
    expect(rows.map((row) => String(row.action))).toEqual([
      'platform_admin.delete',
      'platform_admin.update',
      'platform_admin.insert',
    ])
  })
})
