import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const use = (tx: TransactionSql, person: Member, at: string, cost: number | null = 1) => tx`
  insert into client_mgmt.usage_ledger (
    organization_id, execution_id, user_id, provider, model_id, input_tokens, output_tokens, cost_usd, created_at
  ) values (${person.organizationId}, gen_random_uuid(), ${person.id}, 'p', 'm', 10, 2, ${cost}, ${at})`

const days = (tx: TransactionSql, person: Member, until: string | null = null, of?: Member) =>
  as(
    tx,
    person,
    (t) => t`
      select user_id, day::text, executions::integer, input_tokens::integer, output_tokens::integer,
        cost_usd::float8, unpriced::integer
      from public.usage_by_day('2026-03-01', ${until}, ${of?.id ?? null})`,
  )

test('usage is summed per person and day of UTC; a cost that is unknown is counted, not taken for 0', async () => {
  await rolledBack(sql, async (tx) => {
    await tx`set local timezone = 'America/New_York'`
    const owner = await addOwner(tx)
    await use(tx, owner, '2026-02-28 23:59:59Z')
    await use(tx, owner, '2026-03-01 00:00:00Z')
    await use(tx, owner, '2026-03-01 23:59:59Z', null)
    await use(tx, owner, '2026-03-02 00:00:00Z')
    const day = { user_id: owner.id, input_tokens: 10, output_tokens: 2, cost_usd: 1 }
    const first = { ...day, executions: 2, input_tokens: 20, output_tokens: 4, unpriced: 1 }
    expect([...(await days(tx, owner))]).toEqual([
      { ...first, day: '2026-03-01' },
      { ...day, executions: 1, unpriced: 0, day: '2026-03-02' },
    ])
    expect([...(await days(tx, owner, '2026-03-01'))]).toEqual([{ ...first, day: '2026-03-01' }])
  })
})

test('a member sums up their own usage, and a holder of billing.manage that of all members', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const stranger = await addOwner(tx)
    for (const person of [owner, member, stranger]) await use(tx, person, '2026-03-05 12:00Z')
    const people = async (person: Member, of?: Member) =>
      (await days(tx, person, null, of)).map((row) => String(row['user_id'])).sort()
    expect(await people(member)).toEqual([member.id])
    expect(await people(member, owner)).toEqual([])
    expect(await people(owner)).toEqual([owner.id, member.id].sort())
    expect(await people(owner, member)).toEqual([member.id])
    expect(await people(owner, stranger)).toEqual([])
  })
})
