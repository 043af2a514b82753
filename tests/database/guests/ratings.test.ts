import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addSupport, beginAs, count } from '../../support/people/guests.ts'
import { type Account, addMember, as, refusal } from '../../support/people/tenants.ts'
import { finish } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const message = { content: 'hello' }

test('a guest rates own answers, and reads nobody’s rating but their own', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, other } = await addSupport(tx)
    const begun = await beginAs(tx, guest, { message })
    await as(tx, 'service_role', finish(begun))
    const rate = (t: TransactionSql) =>
      t`select public.rate_message(${begun.response_message_id}, 'up', 'Thanks')`
    expect(await refusal(tx, guest, rate)).toBe('allowed')
    expect(await refusal(tx, other, rate)).toBe('PT404 message_not_found')
    const reader = await addMember(tx, owner.organizationId, 'member', ['content.read_all'])
    expect(await refusal(tx, reader, rate)).toBe('allowed')
    expect(await count(tx, guest, 'conversation.message_feedback')).toBe(1)
    expect(await count(tx, reader, 'conversation.message_feedback')).toBe(2)
  })
})

test('a guest hears of own conversations alone', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, other } = await addSupport(tx)
    const { organizationId: at } = owner
    const begun = await beginAs(tx, guest, { message })
    const theirs = await beginAs(tx, other, { message })
    const hears = async (who: Account, topic: string) => {
      const [row] = await as(
        tx,
        who,
        (t) => t<{ may: boolean }[]>`select private.may_hear(${topic}) as may`,
      )
      return row?.may
    }
    expect(await hears(guest, `organization:${at}:user:${guest.id}`)).toBe(true)
    expect(await hears(guest, `session:${at}:${begun.session_id}`)).toBe(true)
    for (const topic of [
      `organization:${at}`,
      `organization:${at}:user:${owner.id}`,
      `organization:${at}:user:${other.id}`,
      `session:${at}:${theirs.session_id}`,
    ])
      expect([topic, await hears(guest, topic)]).toEqual([topic, false])
    expect(await hears(owner, `organization:${at}`)).toBe(true)
  })
})
