import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  join,
  type Member,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const reason = 'ticket 4711: answers are cut'

const open =
  (organizationId: number | null, why: string | null, scope: string | null, hours: number | null) =>
  (tx: TransactionSql) =>
    tx<{ result: { id: number; expires_at: string } }[]>`
      select to_jsonb(public.open_break_glass(${organizationId}, ${why}, ${scope}, ${hours})) as result`

/** An administrator at work under a grant in an organization with a private conversation. */
async function underGrant(tx: TransactionSql, scope: string) {
  const owner = await addOwner(tx)
  const member = await addMember(tx, owner.organizationId)
  await as(tx, member, (t) => t`insert into public.chat_sessions (title) values ('private')`)
  const admin = await addPlatformAdmin(tx)
  const [row] = await as(tx, admin, open(owner.organizationId, reason, scope, 1))
  if (row === undefined) throw new Error('no grant')
  return { owner, member, grant: row.result, admin: await signIn(tx, admin, 'token_refresh') }
}

const conversations = (tx: TransactionSql) => tx`select title from public.chat_sessions`

test('a configuration grant sees what members see; private conversations need scope content', async () => {
  await rolledBack(sql, async (tx) => {
    const configuration = await underGrant(tx, 'configuration')
    const { claims } = configuration.admin
    expect(claims).toMatchObject({
      organization_id: configuration.owner.organizationId,
      organization_role: 'break_glass',
    })
    const read = (t: TransactionSql) => t`select id from public.organizations`
    expect(await as(tx, configuration.admin, read)).toHaveLength(1)
    expect(await as(tx, configuration.admin, conversations)).toEqual([])
    const content = await underGrant(tx, 'content')
    expect(await as(tx, content.admin, conversations)).toEqual([{ title: 'private' }])
  })
})

test('the tenant reads the grant, its reason and its end in its own log and table', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, member, admin, grant } = await underGrant(tx, 'content')
    await as(tx, admin, (t) => t`select public.close_break_glass(${grant.id})`)
    const events = await as(
      tx,
      owner,
      (t) => t`
        select action, actor, user_id, details from public.audit_logs
        where resource_type = 'break_glass' order by sequence`,
    )
    expect(events.map((event) => [event.action, event.actor, event.user_id] as unknown)).toEqual([
      ['break_glass.insert', 'platform_admin', admin.id],
      ['break_glass.update', 'platform_admin', admin.id],
    ])
    expect(JSON.stringify(events[0]?.details)).toContain(reason)
    const grants = (t: TransactionSql) => t`select reason from client_mgmt.access_grants`
    expect(await as(tx, owner, grants)).toEqual([{ reason }])
    expect(await as(tx, member, grants)).toEqual([])
    expect(await as(tx, await addOwner(tx), grants)).toEqual([])
  })
})

test('a grant has a reason, a known scope, an existing organization and at most 24 hours', async () => {
  await rolledBack(sql, async (tx) => {
    const { organizationId } = await addOwner(tx)
    const admin = await addPlatformAdmin(tx)
    const invalid = '22023 invalid_request'
    for (const why of [null, '', 'too short', `  ${'x'.repeat(9)}  `, 'x'.repeat(1001)]) {
      expect(await refusal(tx, admin, open(organizationId, why, 'content', 1))).toBe(invalid)
    }
    for (const hours of [null, 0, -1, 24.01, 1e9, 1e300]) {
      expect(await refusal(tx, admin, open(organizationId, reason, 'content', hours))).toBe(invalid)
    }
    for (const scope of [null, '', 'everything']) {
      expect(await refusal(tx, admin, open(organizationId, reason, scope, 1))).toBe(invalid)
    }
    expect(await refusal(tx, admin, open(0, reason, 'content', 1))).toBe(
      'PT404 organization_not_found',
    )
    expect(await refusal(tx, admin, open(organizationId, reason, 'content', 24))).toBe('allowed')
  })
})

test('a grant ends by its time, by closing and with the administrator', async () => {
  const ends: Record<string, (tx: TransactionSql, admin: Account, id: number) => Promise<unknown>> =
    {
      time: async (tx, _, id) => {
        await tx`
          update client_mgmt.access_grants
          set created_at = now() - interval '2 hours', expires_at = now() - interval '1 second'
          where id = ${id}`
      },
      closing: (tx, admin, id) => as(tx, admin, (t) => t`select public.close_break_glass(${id})`),
      deactivation: (tx, admin) =>
        tx`update public.platform_admins set is_active = false where user_id = ${admin.id}`,
      'removal from the list': (tx, admin) =>
        tx`delete from public.platform_admins where user_id = ${admin.id}`,
      suspension: (tx, admin) =>
        tx`update public.users set is_active = false where id = ${admin.id}`,
      'deletion of the grant': (tx, _, id) =>
        tx`delete from client_mgmt.access_grants where id = ${id}`,
    }
  await rolledBack(sql, async (tx) => {
    for (const [name, end] of Object.entries(ends)) {
      const { admin, grant } = await underGrant(tx, 'content')
      expect(await as(tx, admin, conversations), name).toHaveLength(1)
      await end(tx, admin, grant.id)
      expect(await as(tx, admin, conversations), name).toEqual([])
      if (name === 'suspension') continue
      const { claims } = await signIn(tx, admin, 'token_refresh')
      expect(claims, name).not.toHaveProperty('organization_id')
    }
  })
})

test('switching away leaves the organization for good; only a new grant leads back', async () => {
  await rolledBack(sql, async (tx) => {
    const { admin, owner } = await underGrant(tx, 'content')
    const own = await addOwner(tx)
    await join(tx, own.organizationId, admin, 'member')
    const switchTo = (id: number) => (t: TransactionSql) =>
      t`select public.switch_organization(${id})`
    await as(tx, admin, switchTo(own.organizationId))
    expect(await as(tx, admin, conversations)).toEqual([])
    const moved = await signIn(tx, admin, 'token_refresh')
    expect(moved.claims.organization_id).toBe(own.organizationId)
    expect(await refusal(tx, moved, switchTo(owner.organizationId))).toBe(
      'PT404 organization_not_found',
    )
  })
})

test('a grant opens no suspended organization', async () => {
  await rolledBack(sql, async (tx) => {
    const { admin, owner } = await underGrant(tx, 'content')
    await tx`update public.organizations set is_active = false where id = ${owner.organizationId}`
    expect(await as(tx, admin, conversations)).toEqual([])
    await as(tx, admin, open(owner.organizationId, reason, 'content', 1))
    const again = await signIn(tx, admin, 'token_refresh')
    expect(again.claims).not.toHaveProperty('organization_id')
    expect(await as(tx, again, conversations)).toEqual([])
  })
})

test('another session of the administrator, and another administrator, have no part in it', async () => {
  await rolledBack(sql, async (tx) => {
    const { admin, owner, grant } = await underGrant(tx, 'content')
    const colleague = await addPlatformAdmin(tx)
    const close = (t: TransactionSql) => t`select public.close_break_glass(${grant.id})`
    expect(await refusal(tx, colleague, close)).toBe('PT404 grant_not_found')
    expect(await refusal(tx, owner, close)).toBe('PT404 grant_not_found')
    const forged = { ...colleague.claims, organization_id: owner.organizationId }
    expect(await as(tx, forged, conversations)).toEqual([])
    expect(await as(tx, admin, conversations)).toHaveLength(1)
    const switchTo = (t: TransactionSql) =>
      t`select public.switch_organization(${owner.organizationId})`
    expect(await refusal(tx, colleague, switchTo)).toBe('PT404 organization_not_found')
  })
})

test('a grant writes nothing, whatever its scope: every write policy asks for a permission', async () => {
  await rolledBack(sql, async (tx) => {
    const { admin } = await underGrant(tx, 'content')
    // As wide as possible: all rows, a column the role may write, one no-op value.
    const targets = await tx<{ relation: string; column: string }[]>`
      select c.oid::regclass::text as relation, min(a.attname) as column
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
      where c.relkind = 'r'
        and c.relnamespace::regnamespace::text in ('public', 'client_mgmt', 'conversation')
        and has_column_privilege('authenticated', c.oid, a.attnum, 'update')
      group by c.oid`
    expect(targets.length).toBeGreaterThan(10)
    for (const { relation, column } of targets.filter((t) => t.relation !== 'users')) {
      const update = (t: TransactionSql) => t.unsafe(`update ${relation} set ${column} = ${column}`)
      // Sessions are one's own without a permission, so there the policy alone says no.
      if (relation === 'user_sessions') expect((await as(tx, admin, update)).count).toBe(0)
      else expect(await refusal(tx, admin, update), relation).toBe('42501 permission_denied')
    }
    const deletable = await tx<{ relation: string }[]>`
      select c.oid::regclass::text as relation from pg_class c
      where c.relkind = 'r' and has_table_privilege('authenticated', c.oid, 'delete')
        and c.relnamespace::regnamespace::text in ('public', 'client_mgmt', 'conversation')`
    expect(deletable.length).toBeGreaterThan(5)
    for (const { relation } of deletable) {
      const remove = (t: TransactionSql) => t.unsafe(`delete from ${relation}`)
      expect(await refusal(tx, admin, remove), relation).toBe('42501 permission_denied')
    }
  })
})

test('under a grant every RPC that changes the organization is refused', async () => {
  await rolledBack(sql, async (tx) => {
    const { admin, member, owner } = await underGrant(tx, 'content')
    for (const call of [
      `select public.invite_member('friend@example.com')`,
      `select public.set_member_role('${member.id}', 'admin')`,
      `select public.remove_member('${member.id}')`,
      `select public.revoke_invitation(1)`,
      `select public.export_audit_log()`,
      `select public.verify_audit_chain(${owner.organizationId})`,
      `select public.begin_execution('{"message":{"content":"hello"}}')`,
      `insert into public.chat_sessions (title) values ('mine')`,
      `insert into public.system_prompts (scope, content) values ('organization', 'obey')`,
      `insert into client_mgmt.projects (name) values ('mine')`,
    ]) {
      expect(await refusal(tx, admin, (t) => t.unsafe(call)), call).toMatch(/^42501 /)
    }
    await as(tx, admin, (t) => t`select public.leave_organization()`)
    const rows = await members(tx, owner)
    expect(rows).toHaveLength(2)
  })
})

const members = (tx: TransactionSql, { organizationId }: Member) => tx`
  select 1 from client_mgmt.client_users
  where organization_id = ${organizationId} and ended_at is null`
