import { describe, expect, test } from 'vitest'
import { as, refusal } from '../../support/people/tenants.ts'
import { addBudget, spentOf } from '../../support/rows/budgets.ts'
import { begin, finish, invoke } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { arrangeBudgets, used } from '../../support/rows/priced-requests.ts'

const sql = connectOwner()

describe('a budget that changes under way', () => {
  test('deleted: its executions end as if it had never been', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '1' })
      const kept = await addBudget(tx, owner, { period: 'month', limit_usd: '1' })
      const begun = await as(tx, owner, begin({ agent }))
      await as(tx, owner, (t) => t`delete from client_mgmt.budgets where id = ${id}`)
      await as(tx, 'service_role', finish(begun, used(1_000, 0)))
      expect(await spentOf(tx, kept)).toMatchObject({ settled: '0.001000000' })
      const [left] = await tx`
        select count(*)::integer as rows from client_mgmt.budget_reservations where budget_id = ${id}`
      expect(left).toEqual({ rows: 0 })
    })
  })

  test('lowered below what is spent: nothing more, and what runs is settled', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '1' })
      const begun = await as(tx, owner, begin({ agent }))
      const limit = (usd: number) =>
        as(tx, owner, (t) => t`update client_mgmt.budgets set limit_usd = ${usd} where id = ${id}`)
      await limit(0)
      expect(await refusal(tx, owner, begin({ agent }))).toBe('PT402 budget_exceeded')
      await as(tx, 'service_role', finish(begun, used(500_000, 0)))
      expect(await spentOf(tx, id)).toMatchObject({ settled: '0.500000000' })
      await limit(1)
      expect(await refusal(tx, owner, begin({ agent }))).toBe('allowed')
    })
  })

  test('made while an execution runs: that one is not charged to it', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const begun = await as(tx, owner, begin({ agent }))
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '1' })
      await as(tx, 'service_role', finish(begun, used(1_000_000, 0)))
      expect(await spentOf(tx, id)).toMatchObject({ settled: '0.000000000' })
    })
  })
})

test('an alert is written once per period, when the share of the limit is passed', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrangeBudgets(tx)
    const id = await addBudget(tx, owner, { period: 'day', limit_usd: '1', warn_at: 0.5 })
    const alerts = async () => {
      const rows = await as(
        tx,
        owner,
        (t) => t`select created_at from client_mgmt.budget_alerts where budget_id = ${id}`,
      )
      return rows.length
    }
    await invoke(tx, owner, { agent }, used(499_999, 0))
    expect(await alerts()).toBe(0)
    await invoke(tx, owner, { agent }, used(1, 0))
    expect(await alerts()).toBe(1)
    await invoke(tx, owner, { agent }, used(100_000, 0))
    expect(await alerts()).toBe(1)
  })
})
