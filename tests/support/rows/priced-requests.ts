import type { TransactionSql } from 'postgres'
import { addOwner, as, type Member } from '../people/tenants.ts'
import { addBudget, addPricedAgent, liftLimits, reservedBy } from './budgets.ts'
import { begin, outcomes } from './executions.ts'

/** An organization without limits, with an agent that has a price. */
export async function arrangeBudgets(
  tx: TransactionSql,
): Promise<{ owner: Member; agent: string }> {
  const owner = await addOwner(tx)
  await liftLimits(tx, owner)
  return { owner, agent: await addPricedAgent(tx, owner) }
}

/** What one request of these reserves; rolled back. */
export async function reservationOf(tx: TransactionSql, owner: Member, agent: string) {
  let reserved = { usd: '', tokens: 0 }
  const undone = new Error('rolled back on purpose')
  await tx
    .savepoint(async (inner) => {
      await addBudget(inner, owner, { period: 'day', limit_usd: '1000', limit_tokens: 1e9 })
      reserved = await reservedBy(inner, await as(inner, owner, begin({ agent })))
      throw undone
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error
    })
  return reserved
}

export const used = (input_tokens: number, output_tokens: number, rest: object = {}) => ({
  ...outcomes.success,
  input_tokens,
  output_tokens,
  ...rest,
})

export const ledgerOf = async (tx: TransactionSql, executionId: string) => {
  const [row] = await tx`
    select input_tokens::integer, output_tokens::integer, cost_usd, is_estimated, provider
    from client_mgmt.usage_ledger where execution_id = ${executionId}`
  return row
}
