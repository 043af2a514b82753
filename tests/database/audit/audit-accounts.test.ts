import { expect, test } from 'vitest'
import {
  addAccount,
  addDevice,
  addMember,
  addOwner,
  addPlatformAdmin,
  as,
  join,
} from '../../support/people/tenants.ts'
import { addConnection } from '../../support/rows/mcp-rows.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { added, eventsOf } from '../../support/rows/audit-rows.ts'

const sql = connectOwner()

test('joining is recorded as the guest’s act: the invitation used and the membership', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addAccount(tx)
    const [row] = await as(
      tx,
      owner,
      (t) => t<{ token: string }[]>`
        select (public.invite_member(${guest.email})).token`,
    )
    const events = await added(tx, owner, () =>
      as(tx, guest, (t) => t`select public.accept_invitation(${row?.token ?? ''})`),
    )
    expect(events.map(({ action, user_id }) => [action, user_id])).toEqual([
      ['invitation.update', guest.id],
      ['membership.insert', guest.id],
    ])
  })
})

test('connections are recorded without their tokens, refreshes not at all', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const tokens = ['v1.k.n.AAAA', 'v1.k.n.BBBB', 'v1.k.n.CCCC'] as const
    const events = await added(tx, owner, async () => {
      const id = await addConnection(tx, owner, {
        access_token: tokens[0],
        refresh_token: tokens[1],
      })
      await tx`update public.mcp_oauth_tokens set access_token = ${tokens[2]} where id = ${id}`
      await tx`update public.mcp_oauth_tokens set status = 'needs_reauthorization' where id = ${id}`
      await tx`delete from public.mcp_oauth_tokens where id = ${id}`
    })
    expect(events.map((event) => event.action)).toEqual([
      'mcp_configuration.insert',
      'mcp_connection.insert',
      'mcp_connection.update',
      'mcp_connection.delete',
    ])
    for (const token of tokens) expect(JSON.stringify(events)).not.toContain(token)
  })
})

test('an erasure is recorded in every organization of the account, without its data', async () => {
  // Committed in steps, as in life: the deletion meets rows of earlier transactions.
  const [one, two] = await sql.begin(
    async (tx) => [await addOwner(tx), await addOwner(tx)] as const,
  )
  const person = await sql.begin((tx) => addMember(tx, one.organizationId))
  const phone = await sql.begin((tx) => addDevice(tx, person))
  await sql.begin(async (tx) => {
    await tx`update public.users set display_name = 'Ada Lovelace' where id = ${person.id}`
    await join(tx, two.organizationId, person, 'admin')
    await as(tx, phone, (t) => t`select public.switch_organization(${two.organizationId})`)
  })
  await sql`delete from auth.users where id = ${person.id}`
  const sessions = await sql`select 1 from public.user_sessions where user_id = ${person.id}`
  expect(sessions).toHaveLength(0)
  for (const { organizationId } of [one, two]) {
    const events = await sql.begin((tx) => eventsOf(tx, organizationId))
    expect(events.map((event) => event.action)).toContain('account.erase')
    expect(JSON.stringify(events)).toContain(person.id)
    expect(JSON.stringify(events)).not.toContain('Lovelace')
    expect(JSON.stringify(events)).not.toContain(person.email)
  }
})

test('an account can be suspended and deleted in one transaction, grants and all', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const person = await addMember(tx, owner.organizationId)
    const admin = await addPlatformAdmin(tx)
    await as(
      tx,
      admin,
      (t) => t`select public.open_break_glass(${owner.organizationId}, 'ticket 4711, please')`,
    )
    for (const { id } of [person, admin]) {
      await tx`update public.users set is_active = false where id = ${id}`
      await tx`delete from auth.users where id = ${id}`
    }
    const left = await tx`
      select 1 from public.user_sessions where user_id in ${tx([person.id, admin.id])}`
    expect(left).toHaveLength(0)
  })
})

test('deleting an organization, as its database owner can, keeps its log', async () => {
  const owner = await sql.begin((tx) => addOwner(tx))
  await sql.begin((tx) => addMember(tx, owner.organizationId))
  await sql`delete from public.organizations where id = ${owner.organizationId}`
  const [row] = await sql`select valid from public.verify_audit_chain(${owner.organizationId})`
  expect(row?.valid).toBe(true)
  const events = await sql.begin((tx) => eventsOf(tx, owner.organizationId))
  expect(events.map((event) => event.action)).toContain('membership.delete')
})
