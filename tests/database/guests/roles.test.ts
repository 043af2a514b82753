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
