import type { TransactionSql } from 'postgres'
import { describe, expect, it } from 'vitest'
import { addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import { addAgent, begin, type Begun, finish } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

// Whatever a caller, a model or the time has put into it, an execution ends.
const sql = connectOwner()

async function running(
  tx: TransactionSql,
): Promise<{ owner: Member; agent: string; begun: Begun }> {
  const owner = await addOwner(tx)
  const { name: agent } = await addAgent(tx, owner)
  return { owner, agent, begun: await as(tx, owner, begin({ agent })) }
}

const die = (tx: TransactionSql, { execution_id }: Begun) => tx`
  update public.agent_executions set lease_expires_at = now() - interval '1 second'
  where id = ${execution_id}`
const expire = (tx: TransactionSql) =>
  as(tx, 'service_role', (t) => t`select public.expire_execution_leases()`)
const stateOf = async (tx: TransactionSql, { execution_id }: Begun) => {
  const [row] = await tx`
    select x.status, m.content from public.agent_executions x
    left join public.chat_messages m on m.id = x.response_message_id
    where x.id = ${execution_id}`
  return row
}
const say = (tx: TransactionSql, { organization_id, execution_id }: Begun, events: string) =>
  as(
    tx,
    'service_role',
    (t) => t`
      select public.append_execution_events(${organization_id}, ${execution_id}, 1, ${events})`,
  )

describe('the id of an answer', () => {
  it('is refused for a message while the answer is written', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent, begun } = await running(tx)
      expect(await refusal(tx, owner, begin({ agent, id: begun.response_message_id }))).toBe(
        '23505 idempotency_conflict',
      )
      await as(tx, owner, begin({ agent, id: crypto.randomUUID() }))
    })
  })

  it.each(['of a living worker', 'of a dead worker'])(
    'that another message has all the same gives way, in the end %s',
    async (worker) => {
      await rolledBack(sql, async (tx) => {
        const { owner, begun } = await running(tx)
        await tx`
          insert into public.chat_messages (organization_id, id, session_id, user_id, role, content)
          values (${owner.organizationId}, ${begun.response_message_id}, ${begun.session_id},
            ${owner.id}, 'user', 'Mine')`
        await say(tx, begun, '[{"type":"text-delta","delta":"Said"}]')
        if (worker === 'of a dead worker') {
          await die(tx, begun)
          await expire(tx)
        } else {
          const end = { status: 'success', finish_reason: 'stop', content: 'Said' }
          await as(tx, 'service_role', finish(begun, end))
        }
        expect(await stateOf(tx, begun)).toMatchObject({ content: 'Said' })
        expect(
          await tx`select content from public.chat_messages where id = ${begun.response_message_id}`,
        ).toEqual([{ content: 'Mine' }])
      })
    },
  )
})

describe('events with an escape that no text can have', () => {
  const events = String.raw`[{"type":"tool-input-available","input":{"a":"\u0000\ud800"}},
    {"type":"text-delta","delta":"Said"}]`

  it('do not keep a dead execution from its end', async () => {
    await rolledBack(sql, async (tx) => {
      const { begun } = await running(tx)
      await say(tx, begun, events)
      await die(tx, begun)
      await expire(tx)
      expect(await stateOf(tx, begun)).toMatchObject({ status: 'failed' })
    })
  })

  it('do not keep a conversation from its deletion', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, begun } = await running(tx)
      await say(tx, begun, events)
      await as(tx, owner, (t) => t`delete from public.chat_sessions where id = ${begun.session_id}`)
      expect(await stateOf(tx, begun)).toBeUndefined()
    })
  })
})

it('an execution of any age ends', async () => {
  await rolledBack(sql, async (tx) => {
    const { begun } = await running(tx)
    await tx`update public.agent_executions set created_at = now() - interval '10 years'
      where id = ${begun.execution_id}`
    await die(tx, begun)
    await expire(tx)
    expect(await stateOf(tx, begun)).toMatchObject({ status: 'failed' })
  })
})
