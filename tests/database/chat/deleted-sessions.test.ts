import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, type Member } from '../../support/people/tenants.ts'
import { addBudget, addPricedAgent, spentOf } from '../../support/rows/budgets.ts'
import { begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** A member whose execution runs under a budget and has said something. */
async function arrange(tx: TransactionSql) {
  const owner = await addOwner(tx)
  const agent = await addPricedAgent(tx, owner)
  const budget = await addBudget(tx, owner, { period: 'day', limit_tokens: 1e9, limit_usd: '100' })
  const member = await addMember(tx, owner.organizationId)
  const begun = await as(tx, member, begin({ agent, content: 'x'.repeat(4_000) }))
  const chunks = JSON.stringify([{ type: 'text-delta', id: '0', delta: 'y'.repeat(400) }])
  await as(tx, 'service_role', (t) => {
    const { organization_id, execution_id } = begun
    return t`select public.append_execution_events(${organization_id}, ${execution_id}, 0, ${chunks})`
  })
  return { owner, member, budget, begun }
}

async function usageOf(tx: TransactionSql, executionId: string) {
  const [row] = await tx`
    select input_tokens::integer as input, output_tokens::integer as output, is_estimated,
      cost_usd::float8 as cost
    from client_mgmt.usage_ledger where execution_id = ${executionId}`
  return row
}

const reservedOf = async (tx: TransactionSql, { organizationId }: Member) => {
  const [row] = await tx`
    select sum(reserved_tokens)::integer as tokens, sum(reserved_usd)::float8 as usd
    from client_mgmt.budget_counters where organization_id = ${organizationId}`
  return row
}

test('deleting a conversation in the middle of an answer charges the answer and frees the rest', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, member, budget, begun } = await arrange(tx)
    const deleted = await as(tx, member, (t) => {
      return t`delete from public.chat_sessions where id = ${begun.session_id} returning id`
    })
    expect(deleted).toHaveLength(1)

    const usage = await usageOf(tx, begun.execution_id)
    expect(usage).toMatchObject({ output: 100, is_estimated: true })
    expect(usage?.input).toBeGreaterThan(1_000)
    expect(usage?.cost).toBeCloseTo((Number(usage?.input) + 100) / 1e6, 9)
    expect(await reservedOf(tx, owner)).toEqual({ tokens: 0, usd: 0 })
    expect(Number((await spentOf(tx, budget)).settled)).toBeCloseTo(Number(usage?.cost), 9)
  })
})

test('deleting an account in the middle of an answer leaves its usage and no reservation', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, member, begun } = await arrange(tx)
    await tx`delete from auth.users where id = ${member.id}`
    expect(await usageOf(tx, begun.execution_id)).toMatchObject({ output: 100 })
    expect(await reservedOf(tx, owner)).toEqual({ tokens: 0, usd: 0 })
  })
})

test('what only waited for its session costs nothing when it is deleted', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, member, begun } = await arrange(tx)
    const waiting = await as(tx, member, begin({ session_id: begun.session_id, on_busy: 'queue' }))
    expect(waiting.status).toBe('pending')
    await as(tx, member, (t) => t`delete from public.chat_sessions where id = ${begun.session_id}`)
    expect(await usageOf(tx, waiting.execution_id)).toMatchObject({
      input: null,
      output: null,
      is_estimated: false,
    })
    expect(await reservedOf(tx, owner)).toEqual({ tokens: 0, usd: 0 })
  })
})
