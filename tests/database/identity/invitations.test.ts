import { createHash } from 'node:crypto'
import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addAccount,
  addMember,
  addOwner,
  as,
  committedAs,
  type Member,
  outcome,
  refusal,
  signIn,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Invitation {
  id: number
  email: string
  role: string
  expires_at: string
  token: string
}

async function invite(tx: TransactionSql, by: Account, email: string, role = 'member') {
  const [row] = await as(
    tx,
    by,
    (inner) => inner<{ result: Invitation }[]>`
      select to_jsonb(public.invite_member(${email}, ${role})) as result`,
  )
  if (row === undefined) throw new Error('no invitation')
  return row.result
}

const accept = (token: string | null) => (tx: TransactionSql) =>
  tx`select to_jsonb(public.accept_invitation(${token})) as result`

async function invited(tx: TransactionSql, role = 'member', inviterRole = 'owner') {
  const owner = await addOwner(tx)
  const inviter =
    inviterRole === 'owner' ? owner : await addMember(tx, owner.organizationId, inviterRole)
  const guest = await addAccount(tx)
  return { owner, inviter, guest, invitation: await invite(tx, inviter, guest.email, role) }
}

const rolesOf = async (tx: TransactionSql, person: Account) =>
  (
    await tx`
      select role from client_mgmt.client_users where user_id = ${person.id} and ended_at is null`
  ).map((row) => String(row.role))

test('the token is shown once; the table holds its SHA-256, which no client can read', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, invitation } = await invited(tx)
    expect(invitation.token).toMatch(/^[0-9a-f]{64}$/)
    expect(invitation).toMatchObject({ email: guest.email, role: 'member' })
    const [row] = await tx`select * from client_mgmt.invitations where id = ${invitation.id}`
    expect(JSON.stringify(row)).not.toContain(invitation.token)
    const [kept] = await tx<{ token_hash: Buffer }[]>`
      select token_hash from private.invitation_tokens where invitation_id = ${invitation.id}`
    expect(kept?.token_hash).toEqual(createHash('sha256').update(invitation.token).digest())
    for (const actor of [owner, 'service_role', 'anon'] as const) {
      const read = (inner: TransactionSql) =>
        inner`select token_hash from private.invitation_tokens`
      expect(await refusal(tx, actor, read)).toMatch(/^42501 /)
    }
    const logged = await tx`
      select payload from public.audit_logs where organization_id = ${owner.organizationId}`
    const log = logged.map((entry) => String(entry.payload)).join('\n')
    expect(log).toContain('"invitation.insert"')
    for (const secret of [invitation.token, guest.email, kept?.token_hash.toString('hex')]) {
      expect(log).not.toContain(secret)
    }
  })
})

test('who accepts joins in the invited role, at home there when they had no home', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, invitation } = await invited(tx, 'admin')
    const bystander = await addAccount(tx)
    const [row] = await as(tx, guest, accept(invitation.token))
    const homes = await tx`
      select id, organization_id::int from public.users where id in (${guest.id}, ${bystander.id})`
    expect(new Map(homes.map(({ id, organization_id }) => [id, organization_id]))).toEqual(
      new Map([
        [guest.id, owner.organizationId],
        [bystander.id, null],
      ]),
    )
    expect(row?.result).toEqual({ organization_id: owner.organizationId, role: 'admin' })
    const { claims } = await signIn(tx, guest, 'token_refresh')
    expect(claims).toMatchObject({
      organization_id: owner.organizationId,
      organization_role: 'admin',
    })
  })
})

test('accepting another invitation leaves the session where it is at work', async () => {
  await rolledBack(sql, async (tx) => {
    const busy = await addOwner(tx)
    const other = await addOwner(tx)
    const { token } = await invite(tx, other, busy.email)
    await as(tx, busy, accept(token))
    expect((await signIn(tx, busy, 'token_refresh')).claims.organization_id).toBe(
      busy.organizationId,
    )
  })
})

test('unknown, used, revoked, expired and someone else’s invitation are one error', async () => {
  const invalid = 'PT404 invalid_invitation'
  await rolledBack(sql, async (tx) => {
    const { owner, guest, invitation } = await invited(tx)
    const stranger = await addAccount(tx)
    expect(await refusal(tx, stranger, accept(invitation.token))).toBe(invalid)
    for (const token of ['', 'x', '0'.repeat(64), `${invitation.token}0`, null]) {
      expect(await refusal(tx, guest, accept(token)), String(token)).toBe(invalid)
    }
    expect(await refusal(tx, 'anon', accept(invitation.token))).toMatch(/^42501 /)

    await tx.savepoint(async (inner) => {
      await inner`
        update client_mgmt.invitations set expires_at = now() - interval '1 second'
        where id = ${invitation.id}`
      expect(await refusal(inner, guest, accept(invitation.token))).toBe(invalid)
      await inner`update client_mgmt.invitations set expires_at = now() + interval '1 day'`
    })
    const revoked = await invite(tx, owner, guest.email)
    expect(await refusal(tx, guest, accept(invitation.token)), 'replaced').toBe(invalid)
    await as(tx, owner, (inner) => inner`select public.revoke_invitation(${revoked.id})`)
    expect(await refusal(tx, guest, accept(revoked.token))).toBe(invalid)

    const last = await invite(tx, owner, guest.email)
    await tx`update public.organizations set is_active = false where id = ${owner.organizationId}`
    expect(await refusal(tx, guest, accept(last.token)), 'suspended').toBe(invalid)
    await tx`update public.organizations set is_active = true where id = ${owner.organizationId}`
    await as(tx, guest, accept(last.token))
    expect(await refusal(tx, guest, accept(last.token)), 'used').toBe(invalid)
    expect(await rolesOf(tx, guest)).toEqual(['member'])
  })
})

test('an invitation is worth no more than its sender is when it is accepted', async () => {
  await rolledBack(sql, async (tx) => {
    const changes: ((inner: TransactionSql, owner: Member, inviter: Member) => Promise<unknown>)[] =
      [
        (inner, owner, inviter) =>
          as(inner, owner, (t) => t`select public.set_member_role(${inviter.id}, 'member')`),
        (inner, owner, inviter) =>
          as(inner, owner, (t) => t`select public.remove_member(${inviter.id})`),
        (inner, _, inviter) =>
          inner`update public.users set is_active = false where id = ${inviter.id}`,
      ]
    for (const change of changes) {
      for (const role of ['admin', 'member']) {
        const { owner, inviter, guest, invitation } = await invited(tx, role, 'admin')
        await change(tx, owner, inviter)
        expect(await refusal(tx, guest, accept(invitation.token))).toBe('PT404 invalid_invitation')
        expect(await rolesOf(tx, guest)).toEqual([])
      }
    }
    // A member has no administrator's rank, whatever the permissions.
    const { owner, inviter, guest, invitation } = await invited(tx, 'admin', 'admin')
    const [all] = await tx`select private.role_permissions('admin') as permissions`
    const demote = (t: TransactionSql) =>
      t`select public.set_member_role(${inviter.id}, 'member', ${all?.permissions as string[]})`
    await as(tx, owner, demote)
    expect(await refusal(tx, guest, accept(invitation.token))).toBe('PT404 invalid_invitation')
  })
})

test('invitations of someone removed stay dead when that person comes back', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, inviter, guest, invitation } = await invited(tx, 'admin', 'admin')
    await as(tx, owner, (inner) => inner`select public.remove_member(${inviter.id})`)
    const back = await invite(tx, owner, inviter.email, 'admin')
    await as(tx, inviter, accept(back.token))
    expect(await rolesOf(tx, inviter)).toEqual(['admin'])
    expect(await refusal(tx, guest, accept(invitation.token))).toBe('PT404 invalid_invitation')
  })
})

test('a member who holds members.manage may invite members, and no one above', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const helper = await addMember(tx, owner.organizationId, 'member', ['members.manage'])
    const guest = await addAccount(tx)
    const { token } = await invite(tx, helper, guest.email)
    await as(tx, guest, accept(token))
    expect(await rolesOf(tx, guest)).toEqual(['member'])
    const above = (inner: TransactionSql) => inner`select public.invite_member('x@y.z', 'admin')`
    expect(await refusal(tx, helper, above)).toBe('42501 permission_denied')
    const ownerBy = (inner: TransactionSql) => inner`select public.invite_member('x@y.z', 'owner')`
    const admin = await addMember(tx, owner.organizationId, 'admin')
    expect(await refusal(tx, admin, ownerBy)).toBe('42501 permission_denied')
    const byMember = (inner: TransactionSql) => inner`select public.invite_member('x@y.z')`
    expect(await refusal(tx, guest, byMember)).toBe('42501 no_organization')
    const joined = await signIn(tx, guest, 'token_refresh')
    expect(await refusal(tx, joined, byMember)).toBe('42501 permission_denied')
  })
})

test('someone who left and is invited again starts with nothing but the new role', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const person = await addMember(tx, owner.organizationId, 'admin', ['content.read_all'])
    await as(tx, person, (inner) => inner`select public.leave_organization()`)
    const { token } = await invite(tx, owner, person.email)
    await as(tx, person, accept(token))
    const [row] = await tx`
      select role, permissions from client_mgmt.client_users where user_id = ${person.id}`
    expect(row).toEqual({ role: 'member', permissions: [] })
    const { claims } = await signIn(tx, person, 'token_refresh')
    expect(claims.organization_role).toBe('member')
  })
})

test('bad addresses and current members are refused, addresses compare without case', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    for (const email of ['', 'x', 'a b@c', `${'x'.repeat(330)}@y.z`, null]) {
      const code = await refusal(tx, owner, (t) => t`select public.invite_member(${email})`)
      expect(code, String(email)).toBe('22023 invalid_request')
    }
    const again = (t: TransactionSql) =>
      t`select public.invite_member(${member.email.toUpperCase()})`
    expect(await refusal(tx, owner, again)).toBe('23505 conflict')
    const guest = await addAccount(tx)
    const { token } = await invite(tx, owner, ` ${guest.email.toUpperCase()} `)
    expect(await refusal(tx, guest, accept(token))).toBe('allowed')
  })
})

test('invitations are seen and revoked with members.manage in their organization only', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, invitation } = await invited(tx)
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    const list = (t: TransactionSql) => t`select id from client_mgmt.invitations`
    const revoke = (t: TransactionSql) => t`select public.revoke_invitation(${invitation.id})`
    expect(await as(tx, owner, list)).toHaveLength(1)
    expect(await as(tx, member, list)).toEqual([])
    expect(await as(tx, stranger, list)).toEqual([])
    expect(await refusal(tx, member, revoke)).toBe('42501 permission_denied')
    expect(await refusal(tx, stranger, revoke)).toBe('PT404 invitation_not_found')
    for (const actor of [owner, 'service_role'] as const) {
      const write = (t: TransactionSql) => t`update client_mgmt.invitations set role = 'owner'`
      expect(await refusal(tx, actor, write)).toMatch(/^42501 /)
    }
    expect(await refusal(tx, owner, revoke)).toBe('allowed')
    expect(await refusal(tx, owner, revoke)).toBe('PT404 invitation_not_found')
  })
})

test('an erased account leaves no invitation with its address', async () => {
  await rolledBack(sql, async (tx) => {
    const { guest } = await invited(tx)
    await tx`delete from auth.users where id = ${guest.id}`
    expect(
      await tx`select 1 from client_mgmt.invitations where email = ${guest.email}`,
    ).toHaveLength(0)
  })
})

test('an acceptance that waits for the sender’s removal fails with it', async () => {
  const { owner, inviter, guest, invitation } = await sql.begin((tx) =>
    invited(tx, 'member', 'admin'),
  )
  let waiting: Promise<string> | undefined
  await sql.begin(async (tx) => {
    await as(tx, owner, (inner) => inner`select public.remove_member(${inviter.id})`)
    waiting = outcome(committedAs(sql, guest, accept(invitation.token)))
    await untilSomeoneWaits(tx)
  })
  expect(await waiting).toBe('PT404 invalid_invitation')
})
