import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAnonymous, addGuest, joinBy, slugOf, takeGuests } from '../../support/people/guests.ts'
import {
  addAccount,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
  signIn,
} from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const notFound = 'PT404 organization_not_found'

const limit = (tx: TransactionSql, of: Member, limits: Record<string, number>) => tx`
  update client_mgmt.organization_limits set ${tx(limits)} where organization_id = ${of.organizationId}`

test('an anonymous account joins by the slug, works there at once, and has no address', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await takeGuests(tx, owner)
    const guest = await addAnonymous(tx)
    expect(await as(tx, guest, joinBy(await slugOf(tx, owner)))).toEqual([
      { organization_id: String(owner.organizationId), role: 'guest' },
    ])
    const { claims } = await signIn(tx, guest, 'token_refresh')
    expect(claims).toMatchObject({
      organization_id: owner.organizationId,
      organization_role: 'guest',
    })
    const own = await as(tx, { ...guest, claims }, (t) => t`select email from public.users`)
    expect([...own]).toEqual([{ email: null }])
  })
})

test('an organization that takes no guests, a suspended and an absent one give one error', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const suspended = await addOwner(tx)
    const who = await addAccount(tx)
    await takeGuests(tx, suspended)
    await tx`update public.organizations set is_active = false where id = ${suspended.organizationId}`
    const slugs = [await slugOf(tx, owner), await slugOf(tx, suspended), 'absent', '']
    for (const slug of slugs) expect(await refusal(tx, who, joinBy(slug))).toBe(notFound)
    await takeGuests(tx, owner)
    expect(await refusal(tx, who, joinBy(await slugOf(tx, owner)))).toBe('allowed')
    await takeGuests(tx, owner, false)
    expect(await refusal(tx, await addAccount(tx), joinBy(await slugOf(tx, owner)))).toBe(notFound)
  })
})

test('only who manages members lets guests join, and the setting is true or false', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const guest = await addGuest(tx, owner)
    const set = (value: unknown) => (t: typeof tx) =>
      t`update public.organizations set settings = ${t.json({ guests_may_join: value } as never)}`
    expect(await refusal(tx, member, set(true))).toBe('42501 permission_denied')
    expect(await refusal(tx, guest, set(true))).toBe('42501 no_organization')
    expect(await refusal(tx, owner, set('yes'))).toBe('22023 invalid_settings')
    expect(await refusal(tx, owner, set(true))).toBe('allowed')
  })
})

test('a member who joins keeps their role, and joining twice changes nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await takeGuests(tx, owner)
    const slug = await slugOf(tx, owner)
    const who = await addAccount(tx)
    expect((await as(tx, owner, joinBy(slug)))[0]?.role).toBe('owner')
    await as(tx, who, joinBy(slug))
    expect((await as(tx, await signIn(tx, who), joinBy(slug)))[0]?.role).toBe('guest')
    expect(
      await tx`select 1 from client_mgmt.client_users where organization_id = ${owner.organizationId}`,
    ).toHaveLength(2)
  })
})

test('a guest who left may return; one who was removed, and a former member, may not', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await takeGuests(tx, owner)
    const slug = await slugOf(tx, owner)
    const [left, removed, former] = [
      await addGuest(tx, owner),
      await addGuest(tx, owner),
      await addMember(tx, owner.organizationId),
    ]
    await as(tx, left, (t) => t`select public.leave_organization()`)
    for (const { id } of [removed, former])
      await as(tx, owner, (t) => t`select public.remove_member(${id})`)
    expect(await refusal(tx, left, joinBy(slug))).toBe('allowed')
    expect(await refusal(tx, removed, joinBy(slug))).toBe(notFound)
    expect(await refusal(tx, former, joinBy(slug))).toBe(notFound)
  })
})

test('guests, joins in a minute and joins of a person have bounds that the refusal names', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await takeGuests(tx, owner)
    const slug = await slugOf(tx, owner)
    await as(tx, await addAccount(tx), joinBy(slug))
    const refused = async () => refusal(tx, await addAccount(tx), joinBy(slug))
    await limit(tx, owner, { max_guests: 1 })
    expect(await refused()).toBe('PT409 quota_exceeded')
    await limit(tx, owner, { max_guests: 2 })
    await limit(tx, owner, { joins_per_minute: 1 })
    expect(await refused()).toBe('PT429 rate_limited')
    await limit(tx, owner, { joins_per_minute: 2 })
    expect(await refused()).toBe('allowed')

    const traveller = await addAccount(tx)
    await tx`
      with made as (
        insert into public.organizations (name, slug)
        select 'Many', ${`many-${traveller.id.slice(0, 8)}-`} || n from generate_series(1, 50) n
        returning id
      )
      insert into client_mgmt.client_users (organization_id, user_id, role)
      select id, ${traveller.id}, 'guest' from made`
    await limit(tx, owner, { max_guests: 9 })
    await limit(tx, owner, { joins_per_minute: 9 })
    expect(await refusal(tx, traveller, joinBy(slug))).toBe('PT409 quota_exceeded')
  })
})

test('an account that gets an address keeps its membership, and its address is known', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    await takeGuests(tx, owner)
    const guest = await addAnonymous(tx)
    await as(tx, guest, joinBy(await slugOf(tx, owner)))
    const { claims } = await signIn(tx, guest)
    await as(
      tx,
      { ...guest, claims },
      (t) => t`insert into public.chat_sessions (title) values ('Mine')`,
    )
    const address = `${guest.id}@example.com`
    await tx`update auth.users set email = ${address}, is_anonymous = false where id = ${guest.id}`
    expect([...(await tx`select email from public.users where id = ${guest.id}`)]).toEqual([
      { email: address },
    ])
    const rows = await as(
      tx,
      { ...guest, claims },
      (t) => t`select title from public.chat_sessions`,
    )
    expect([...rows]).toEqual([{ title: 'Mine' }])
  })
})
