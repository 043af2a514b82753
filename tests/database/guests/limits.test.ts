import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addGuest, beginAs, openAgent } from '../../support/people/guests.ts'
import { addMember, addOwner, as, type Member, outcome } from '../../support/people/tenants.ts'
import { addAgent, finish } from '../../support/rows/executions.ts'
import { takeOver } from '../../support/rows/people-answer.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function talk(tx: TransactionSql) {
  const owner = await addOwner(tx)
  await openAgent(tx, (await addAgent(tx, owner)).id)
  return {
    owner,
    guest: await addGuest(tx, owner),
    member: await addMember(tx, owner.organizationId),
  }
}

const begin = (tx: TransactionSql, who: Member) =>
  outcome(tx.savepoint((t) => beginAs(t, who, { message: { content: 'hello' } })))

test.each([
  ['max_concurrent_per_guest', 1, 'PT429 too_many_executions'],
  ['requests_per_minute_per_guest', 1, 'PT429 rate_limited'],
  ['tokens_per_minute_per_guest', 5000, 'PT429 rate_limited'],
  ['stored_bytes_per_guest', 0, 'PT409 quota_exceeded'],
])('%s bounds a guest and no member', async (name, value, code) => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, member } = await talk(tx)
    await tx`update client_mgmt.organization_limits set ${tx({ [name]: value })}
      where organization_id = ${owner.organizationId}`
    const answers = [await begin(tx, guest), await begin(tx, guest)]
    expect(answers.at(-1)).toBe(code)
    expect([await begin(tx, member), await begin(tx, member)]).toEqual(['allowed', 'allowed'])
  })
})

test('changes_per_minute_per_guest bounds a guest’s changes', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await talk(tx)
    await tx`update client_mgmt.organization_limits set changes_per_minute_per_guest = 0
      where organization_id = ${owner.organizationId}`
    const leave = as(tx, guest, (t) => t`select public.leave_organization()`)
    expect(await outcome(leave)).toBe('PT429 rate_limited')
  })
})

test('a guest fills less of a table than a member', async () => {
  await rolledBack(sql, async (tx) => {
    const { guest, member } = await talk(tx)
    await tx`update private.table_bounds set max_rows_of_guest = 2
      where table_name = 'public.chat_sessions'`
    const add = (who: Member, rows: number) =>
      outcome(
        as(
          tx,
          who,
          (t) =>
            t`insert into public.chat_sessions (title) select 'One' from generate_series(1, ${rows})`,
        ),
      )
    expect(await add(guest, 2)).toBe('allowed')
    expect(await add(guest, 1)).toBe('PT409 quota_exceeded')
    expect(await add(member, 3)).toBe('allowed')
  })
})

test('a guest at the bound of bytes stores no message for a person either', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest } = await talk(tx)
    const begun = await beginAs(tx, guest, { message: { content: 'hello' } })
    await as(tx, 'service_role', finish(begun))
    await as(tx, owner, takeOver(begun.session_id))
    const say = () =>
      outcome(
        tx.savepoint((t) =>
          beginAs(t, guest, { message: { content: 'again' }, session_id: begun.session_id }),
        ),
      )
    expect(await say()).toBe('allowed')
    await tx`update client_mgmt.organization_limits set stored_bytes_per_guest = 0
      where organization_id = ${owner.organizationId}`
    expect(await say()).toBe('PT409 quota_exceeded')
    const kept = await tx`
      select 1 from public.chat_messages where session_id = ${begun.session_id} and role = 'user'`
    expect(kept).toHaveLength(2)
  })
})
