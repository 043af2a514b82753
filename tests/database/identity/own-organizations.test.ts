import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  type Account,
  addAccount,
  addMember,
  addOwner,
  as,
  join,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Mine {
  organization_id: string
  role: string
  permissions: string[]
  is_active: boolean
  is_current: boolean
}
const mine = (tx: TransactionSql, person: Account) =>
  as(tx, person, (t) => t<Mine[]>`select * from public.my_organizations()`)

interface Invited {
  id: string
  organization_id: string
  organization_name: string
  role: string
  invited_by: string
}
const invitations = (tx: TransactionSql, person: Account) =>
  as(tx, person, (t) => t<Invited[]>`select * from public.my_invitations()`)

const invite =
  (email: string, role = 'member') =>
  (tx: TransactionSql) =>
    tx`select (public.invite_member(${email}, ${role})).id`
const accept = (id: string | undefined) => (tx: TransactionSql) =>
  tx`select * from public.accept_my_invitation(${id ?? null})`
const confirm = (tx: TransactionSql, { id }: Account) =>
  tx`update auth.users set email_confirmed_at = now() where id = ${id}`

async function invited(tx: TransactionSql, role = 'member') {
  const owner = await addOwner(tx)
  const guest = await addAccount(tx)
  await confirm(tx, guest)
  await as(tx, owner, invite(guest.email, role))
  return { owner, guest }
}

test('a person lists all their organizations, whichever is active and also with none', async () => {
  await rolledBack(sql, async (tx) => {
    const first = await addOwner(tx)
    const second = await addOwner(tx)
    const person = await addAccount(tx)
    expect(await mine(tx, person)).toEqual([])
    await join(tx, first.organizationId, person, 'admin', ['billing.manage'])
    await join(tx, second.organizationId, person, 'member')
    const both = await mine(tx, await signIn(tx, person))
    expect(both.map((row) => [Number(row.organization_id), row.role, row.is_current])).toEqual([
      [first.organizationId, 'admin', true],
      [second.organizationId, 'member', false],
    ])
    expect(both[0]?.permissions).toContain('billing.manage')
    expect(both[1]?.permissions).toEqual(['agents.invoke'])
    await as(
      tx,
      await signIn(tx, person),
      (t) => t`select public.switch_organization(${second.organizationId})`,
    )
    // The old token reads nothing of either, and still lists both.
    const listed = await mine(tx, await signIn(tx, person))
    expect(listed.map((row) => row.is_current)).toEqual([false, true])
    expect(await mine(tx, person)).toHaveLength(2)
  })
})

test('the list has suspended organizations, and no former, foreign or suspended person’s', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    await tx`update public.organizations set is_active = false where id = ${owner.organizationId}`
    expect(await mine(tx, member)).toMatchObject([{ is_active: false, is_current: false }])
    await tx`update public.organizations set is_active = true where id = ${owner.organizationId}`
    expect(await mine(tx, await addOwner(tx))).not.toMatchObject([
      { organization_id: String(owner.organizationId) },
    ])
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    expect(await mine(tx, member)).toEqual([])
    await tx`update public.users set is_active = false where id = ${owner.id}`
    expect(await mine(tx, owner)).toEqual([])
    expect(await refusal(tx, 'anon', (t) => t`select * from public.my_organizations()`)).toMatch(
      /^42501 /,
    )
  })
})

test('a person lists the invitations to their address, and joins by one without its token', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await invited(tx, 'admin')
    const [organization] = await tx<{ name: string }[]>`
      select name from public.organizations where id = ${owner.organizationId}`
    const [one, ...rest] = await invitations(tx, guest)
    expect(rest).toEqual([])
    expect(one).toMatchObject({
      organization_id: String(owner.organizationId),
      organization_name: organization?.name,
      role: 'admin',
      invited_by: owner.email,
    })
    expect(await as(tx, guest, accept(one?.id))).toMatchObject([
      { organization_id: String(owner.organizationId), role: 'admin' },
    ])
    expect(await invitations(tx, guest)).toEqual([])
    expect(await mine(tx, await signIn(tx, guest))).toMatchObject([{ role: 'admin' }])
    expect(await refusal(tx, guest, accept(one?.id))).toBe('PT404 invalid_invitation')
  })
})

test('an address that Auth has not confirmed lists and accepts no invitation', async () => {
  await rolledBack(sql, async (tx) => {
    const { guest } = await invited(tx)
    const [one] = await invitations(tx, guest)
    await tx`update auth.users set email_confirmed_at = null where id = ${guest.id}`
    expect(await invitations(tx, guest)).toEqual([])
    expect(await refusal(tx, guest, accept(one?.id))).toBe('PT404 invalid_invitation')
    expect(await mine(tx, guest)).toEqual([])
    await confirm(tx, guest)
    expect(await refusal(tx, guest, accept(one?.id))).toBe('allowed')
  })
})

test('what cannot be accepted is not listed: revoked, expired, suspended, of a sender who left', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await invited(tx)
    const [one] = await invitations(tx, guest)
    const spoil: [string, (t: TransactionSql) => Promise<unknown>][] = [
      ['revoked', (t) => t`update client_mgmt.invitations set revoked_at = now()`],
      ['expired', (t) => t`update client_mgmt.invitations set expires_at = now() - interval '1 s'`],
      [
        'suspended',
        (t) => t`update public.organizations set is_active = false
          where id = ${owner.organizationId}`,
      ],
      ['sender', (t) => t`update public.users set is_active = false where id = ${owner.id}`],
    ]
    for (const [what, change] of spoil) {
      await tx
        .savepoint(async (inner) => {
          await change(inner)
          expect(await invitations(inner, guest), what).toEqual([])
          expect(await refusal(inner, guest, accept(one?.id)), what).toBe(
            'PT404 invalid_invitation',
          )
          throw new Error('undo')
        })
        .catch((error: Error) => {
          if (error.message !== 'undo') throw error
        })
    }
    expect(await invitations(tx, guest)).toHaveLength(1)
  })
})

test('an invitation to another person is neither listed nor accepted', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await invited(tx)
    const [one] = await invitations(tx, guest)
    const eve = await addOwner(tx)
    await confirm(tx, eve)
    for (const person of [eve, owner]) {
      expect(await invitations(tx, person)).toEqual([])
      expect(await refusal(tx, person, accept(one?.id))).toBe('PT404 invalid_invitation')
    }
    for (const id of ['0', undefined]) {
      expect(await refusal(tx, guest, accept(id))).toBe('PT404 invalid_invitation')
    }
    expect(await refusal(tx, 'anon', (t) => t`select * from public.my_invitations()`)).toMatch(
      /^42501 /,
    )
    expect(await refusal(tx, 'anon', accept(one?.id))).toMatch(/^42501 /)
    expect(await invitations(tx, guest)).toHaveLength(1)
  })
})
