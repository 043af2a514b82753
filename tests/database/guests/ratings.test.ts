import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addGuest, beginAs, count, openAgent } from '../../support/people/guests.ts'
import {
  type Account,
  addMember,
  addOwner,
  as,
  type Member,
  refusal,
} from '../../support/people/tenants.ts'
import { addAgent } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const message = { content: 'hello' }

const finish = (tx: TransactionSql, of: Member, execution: string, provider_cost_usd?: number) =>
  as(
    tx,
    'service_role',
    (t) => t`
    select public.finish_execution(${of.organizationId}, ${execution}, ${t.json({
      status: 'success',
      finish_reason: 'stop',
      content: 'Good day',
      input_tokens: 10,
      output_tokens: 5,
      ...(provider_cost_usd !== undefined && { provider_cost_usd }),
    })}) as result`,
  )

async function support(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const open = await addAgent(tx, owner)
  await openAgent(tx, open.id)
  const [guest, other] = [await addGuest(tx, owner), await addGuest(tx, owner)]
  return { owner, open, guest, other, closed: await addAgent(tx, owner) }
}

test('a guest rates own answers, and reads nobody’s rating but their own', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, guest, other } = await support(tx)
    const begun = await beginAs(tx, guest, { message })
    await finish(tx, owner, begun.execution_id)
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
    const { owner, guest, other } = await support(tx)
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
