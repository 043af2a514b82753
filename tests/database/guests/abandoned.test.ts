import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addAbandoned, addAnonymous, addGuest } from '../../support/people/guests.ts'
import { type Account, addOwner, as, type Member } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const cleanUp = (tx: TransactionSql) =>
  as(tx, 'service_role', (t) => t`select public.cleanup_abandoned_guests()`)

async function isThere(tx: TransactionSql, { id }: Account): Promise<boolean> {
  return (await tx`select 1 from auth.users where id = ${id}`).length > 0
}

/** A conversation with a message, whose last word is so many days old. */
async function addConversation(
  tx: TransactionSql,
  { organizationId }: Member,
  { id }: Account,
  days: number,
): Promise<string> {
  const [row] = await tx<{ id: string }[]>`
    insert into public.chat_sessions (organization_id, user_id) values (${organizationId}, ${id})
    returning id`
  const session = row?.id ?? ''
  await tx`
    with said as (
      insert into public.chat_messages (organization_id, session_id, user_id, role, content)
      values (${organizationId}, ${session}, ${id}, 'user', 'Hello') returning id
    )
    update public.chat_sessions set current_message_id = (select id from said),
      last_message_at = now() - make_interval(days => ${days})
    where id = ${session}`
  return session
}

test('an anonymous guest goes after 30 days, and after 180 with a conversation, and no earlier', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const recent = await addAbandoned(tx, owner, 29)
    const old = await addAbandoned(tx, owner, 31)
    const spoke = await addAbandoned(tx, owner, 200)
    await addConversation(tx, owner, spoke, 179)
    const silent = await addAbandoned(tx, owner, 200)
    await addConversation(tx, owner, silent, 181)
    await cleanUp(tx)
    const left = []
    for (const guest of [recent, old, spoke, silent]) left.push(await isThere(tx, guest))
    expect(left).toEqual([true, false, true, false])
  })
})

test('a guest who signed in lately, whom a person answers, who has an address or is a member stays', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const back = await addAbandoned(tx, owner, 400)
    await tx`update auth.sessions set refreshed_at = now() at time zone 'utc'
      where user_id = ${back.id}`
    const handled = await addAbandoned(tx, owner, 400)
    const session = await addConversation(tx, owner, handled, 400)
    await tx`update public.chat_sessions set handled_by = ${owner.id} where id = ${session}`
    const named = await addGuest(tx, owner)
    await tx`update auth.users set created_at = now() - interval '1 year' where id = ${named.id}`
    await tx`update auth.sessions set created_at = now() - interval '1 year'`
    const member = await addAbandoned(tx, owner, 400)
    await tx`update client_mgmt.client_users set role = 'member' where user_id = ${member.id}`
    await cleanUp(tx)
    for (const guest of [back, handled, named, member]) expect(await isThere(tx, guest)).toBe(true)
  })
})

test('an account that joined no organization goes too', async () => {
  await rolledBack(sql, async (tx) => {
    const account = await addAnonymous(tx)
    await tx`update auth.users set created_at = now() - interval '31 days' where id = ${account.id}`
    await tx`update auth.sessions set created_at = now() - interval '31 days'
      where user_id = ${account.id}`
    await cleanUp(tx)
    expect(await isThere(tx, account)).toBe(false)
  })
})

test('the conversations go, the usage stays, and the log has the count', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guests = [await addAbandoned(tx, owner, 200), await addAbandoned(tx, owner, 200)]
    for (const guest of guests) {
      await addConversation(tx, owner, guest, 200)
      await tx`insert into client_mgmt.usage_ledger (
          organization_id, user_id, execution_id, provider, model_id
        ) values (${owner.organizationId}, ${guest.id}, gen_random_uuid(), 'openrouter', 'm')`
    }
    await cleanUp(tx)
    const ids = guests.map(({ id }) => id)
    const rows = async (table: string) =>
      (await tx`select 1 from ${tx(table)} where user_id in ${tx(ids)}`).length
    expect(await rows('public.chat_sessions')).toBe(0)
    expect(await rows('public.chat_messages')).toBe(0)
    expect(await rows('client_mgmt.client_users')).toBe(0)
    expect(await rows('client_mgmt.usage_ledger')).toBe(2)
    const events = await as(
      tx,
      owner,
      (t) => t`
        select details, actor from public.audit_logs where action = 'guests.clean_up'`,
    )
    expect([...events]).toEqual([{ details: { count: 2 }, actor: 'service_role' }])
  })
})
