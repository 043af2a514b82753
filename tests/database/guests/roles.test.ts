import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAnonymous, addGuest, joinBy, slugOf, takeGuests } from '../../support/people/guests.ts'
import {
  addAccount,
  addMember,
  addOwner,
  as,
  outcome,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const setRole =
  (user: string, role: string, permissions: string[] | null = null) =>
  (tx: TransactionSql) =>
    tx`select public.set_member_role(${user}, ${role}, ${permissions})`
const invite =
  (email: string, role = 'member') =>
  (tx: TransactionSql) =>
    tx<{ token: string }[]>`select (public.invite_member(${email}, ${role})).token`
const accept = (token: string | undefined) => (tx: TransactionSql) =>
  tx<{ role: string }[]>`select (public.accept_invitation(${token ?? ''})).role`

test('a guest is promoted by who manages members, and promotes and invites nobody', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const [guest, other] = [await addGuest(tx, owner), await addGuest(tx, owner)]
    const member = await addMember(tx, owner.organizationId)
    expect(await refusal(tx, guest, setRole(guest.id, 'member'))).toBe('42501 no_organization')
    expect(await refusal(tx, guest, setRole(other.id, 'member'))).toBe('42501 no_organization')
    expect(await refusal(tx, guest, invite('a@example.com', 'guest'))).toBe('42501 no_organization')
    expect(await refusal(tx, member, setRole(guest.id, 'member'))).toBe('42501 permission_denied')
    expect(await refusal(tx, owner, setRole(guest.id, 'member'))).toBe('allowed')
  })
})

test('the address of a guest is for members with members.manage, also in a view and as a name', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const manager = await addMember(tx, owner.organizationId, 'member', ['members.manage'])
    const [guest, named] = [await addGuest(tx, owner), await addGuest(tx, owner)]
    await tx`update public.users set display_name = email where id = ${guest.id}`
    await tx`update public.users set display_name = 'Jo' where id = ${named.id}`
    await tx`insert into conversation.participants (organization_id, user_id, name, type)
      values (${owner.organizationId}, ${guest.id}, 'Customer', 'person')`
    const listed = (t: TransactionSql) => t`
      select email, display_name from public.organization_members()
      where user_id in (${guest.id}, ${named.id}) order by user_id = ${named.id}`
    const viewed = (t: TransactionSql) => t`select email from conversation.participant_users`
    const hidden = [
      { email: null, display_name: null },
      { email: null, display_name: 'Jo' },
    ]
    const shown = [
      { email: guest.email, display_name: guest.email },
      { email: named.email, display_name: 'Jo' },
    ]
    for (const [who, members, view] of [
      [member, hidden, null],
      [manager, shown, guest.email],
      [owner, shown, guest.email],
    ] as const) {
      expect([...(await as(tx, who, listed))]).toEqual(members)
      expect([...(await as(tx, who, viewed))]).toEqual([{ email: view }])
    }
    // Members know each other's addresses.
    expect(
      await as(
        tx,
        member,
        (t) => t`select 1 from public.organization_members()
        where email in (${owner.email}, ${manager.email})`,
      ),
    ).toHaveLength(2)
  })
})

test('an invited guest does not read the address of the member who invites', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const stranger = await addAccount(tx)
    await tx`update auth.users set email_confirmed_at = now() where id = ${stranger.id}`
    await as(tx, owner, invite(stranger.email, 'guest'))
    const invitedBy = async (name: string | null) => {
      await tx`update public.users set display_name = ${name} where id = ${owner.id}`
      const [row] = await as(tx, stranger, (t) => t`select invited_by from public.my_invitations()`)
      return row
    }
    expect(await invitedBy(null)).toEqual({ invited_by: null })
    expect(await invitedBy(owner.email)).toEqual({ invited_by: null })
    expect(await invitedBy('Ada')).toEqual({ invited_by: 'Ada' })
  })
})

test('a guest holds no permission, also when an owner gives one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addGuest(tx, owner)
    const held = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
    expect(await refusal(tx, owner, setRole(guest.id, 'guest', ['content.read_all']))).toBe(
      '22023 invalid_request',
    )
    expect(
      await outcome(
        tx.savepoint(
          (t) => t`update client_mgmt.client_users set permissions = '{content.read_all}'
            where user_id = ${guest.id}`,
        ),
      ),
    ).toMatch(/^23514/)
    await as(tx, owner, setRole(held.id, 'guest'))
    expect(
      await as(tx, held, (t) => t`select public.has_permission('content.read_all') as may`),
    ).toEqual(expect.arrayContaining([{ may: false }]))
  })
})

test('an organization needs an owner who is no guest', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await addGuest(tx, owner)
    expect(await refusal(tx, owner, setRole(owner.id, 'guest'))).toBe('PT409 last_owner')
    await tx`delete from auth.users where id = ${owner.id}`
    const [row] = await tx<{ is_active: boolean }[]>`
      select is_active from public.organizations where id = ${owner.organizationId}`
    expect(row?.is_active).toBe(false)
  })
})

test('an invitation makes a guest a member, and a member no guest', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addGuest(tx, owner)
    const [invited] = await as(tx, owner, invite(guest.email))
    expect((await as(tx, guest, accept(invited?.token)))[0]?.role).toBe('member')
    expect(await refusal(tx, owner, invite(guest.email, 'guest'))).toBe('23505 conflict')
    const stranger = await addAccount(tx)
    const [asGuest] = await as(tx, owner, invite(stranger.email, 'guest'))
    expect((await as(tx, stranger, accept(asGuest?.token)))[0]?.role).toBe('guest')
  })
})

test('an anonymous account stays a guest, founds nothing, and is appointed nowhere', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await takeGuests(tx, owner)
    const anonymous = await addAnonymous(tx)
    await as(tx, anonymous, joinBy(await slugOf(tx, owner)))
    const guest = await signIn(tx, anonymous)
    expect(await refusal(tx, owner, setRole(guest.id, 'member'))).toBe('22023 invalid_request')
    expect(
      await refusal(
        tx,
        guest,
        (t) => t`select public.create_organization('Mine', 'mine-of-guest')`,
      ),
    ).toBe('42501 permission_denied')
    await tx`update auth.users set email = ${`${guest.id}@example.com`}, is_anonymous = false
      where id = ${guest.id}`
    expect(await refusal(tx, owner, setRole(guest.id, 'member'))).toBe('allowed')
  })
})
