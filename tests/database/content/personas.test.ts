import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const make = (user: string | null, name: string) => (tx: TransactionSql) =>
  tx`insert into conversation.participants (user_id, name) values (${user}, ${name})`
const rename = (name: string) => (tx: TransactionSql) =>
  tx`update conversation.participants set name = ${name} where true returning name`

test('any member makes and changes a persona of their own, and no other', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    await as(tx, owner, make(null, 'Customer'))
    await as(tx, owner, make(owner.id, 'Owner'))
    expect(await refusal(tx, member, make(member.id, 'Me'))).toBe('allowed')
    expect(await refusal(tx, member, make(null, 'Another'))).toMatch(/^42501 /)
    expect(await refusal(tx, member, make(owner.id, 'Boss'))).toMatch(/^42501 /)
    expect(await as(tx, member, rename('Myself'))).toEqual([{ name: 'Myself' }])
    const names = await tx<
      { name: string }[]
    >`select name from conversation.participants where organization_id = ${owner.organizationId} order by id`
    expect(names.map(({ name }) => name)).toEqual(['Customer', 'Owner', 'Myself'])
  })
})

test('only projects.manage deletes a persona, whose turns are the organization’s', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    await as(tx, member, make(member.id, 'Me'))
    const drop = (t: TransactionSql) =>
      t`delete from conversation.participants where true returning name`
    expect(await as(tx, member, drop)).toEqual([])
    expect(await as(tx, owner, drop)).toEqual([{ name: 'Me' }])
  })
})

test('a guest makes no persona', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const guest = await addMember(tx, owner.organizationId, 'guest')
    expect(await refusal(tx, guest, make(guest.id, 'Me'))).toBe('42501 no_organization')
  })
})

test('a member has at most 20 personas, so none uses up what the organization may have', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const many = (count: number) => (t: TransactionSql) =>
      t`insert into conversation.participants (user_id, name)
        select ${member.id}, 'Me ' || n from generate_series(1, ${count}::integer) n`
    expect(await refusal(tx, member, many(21))).toBe('PT409 quota_exceeded')
    expect(await refusal(tx, member, many(20))).toBe('allowed')
    expect(await refusal(tx, member, many(1))).toBe('PT409 quota_exceeded')
    expect(await refusal(tx, owner, many(1))).toBe('PT409 quota_exceeded')
    expect(await refusal(tx, owner, make(null, 'Customer'))).toBe('allowed')
  })
})
