import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addOwner, as, refusal } from '../../support/people/tenants.ts'
import {
  addBudget,
  discrepancies,
  reservedBy,
  setPrice,
  spentOf,
} from '../../support/rows/budgets.ts'
import { addAgent, begin, finish, invoke, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { arrangeBudgets, ledgerOf, used } from '../../support/rows/priced-requests.ts'

const sql = connectOwner()

describe('settling', () => {
  const settled = async (
    outcome: object,
    price: Parameters<typeof setPrice>[2] = { input: 1, output: 1 },
    meanwhile: (tx: TransactionSql) => PromiseLike<unknown> = () => Promise.resolve(),
  ) =>
    rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name: agent } = await addAgent(tx, owner)
      await setPrice(tx, agent, price)
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '100', limit_tokens: 1e9 })
      const begun = await as(
        tx,
        owner,
        begin({ agent, content: 'a question of 400 bytes'.padEnd(400) }),
      )
      const reserved = await reservedBy(tx, begun)
      await meanwhile(tx)
      await as(tx, 'service_role', finish(begun, outcome as Record<string, unknown>))
      const spent = await spentOf(tx, id)
      expect(spent).toMatchObject({ reserved: '0.000000000', reserved_tokens: 0 })
      expect(await discrepancies(tx, owner.organizationId)).toEqual([])
      const ledger = await ledgerOf(tx, begun.execution_id)
      return { spent: spent.settled, tokens: spent.tokens, reserved, ledger }
    })

  test('charges what was used, not what was reserved', async () => {
    const { spent, tokens, ledger } = await settled(used(1_000, 234))
    expect([spent, tokens]).toEqual(['0.001234000', 1_234])
    expect(ledger).toMatchObject({ cost_usd: '0.001234000', is_estimated: false })
  })

  test('takes the provider’s own word on the cost', async () => {
    const { spent, tokens } = await settled(used(1_000, 234, { provider_cost_usd: 0.5 }))
    expect([spent, tokens]).toEqual(['0.500000000', 1_234])
  })

  test('charges cached input at its own price, and never less than nothing', async () => {
    const price = { input: 10, output: 0, cached: 1 }
    expect(await settled(used(100, 1, { cached_input_tokens: 60 }), price)).toMatchObject({
      spent: '0.000460000',
    })
    expect(await settled(used(100, 1, { cached_input_tokens: 150 }), price)).toMatchObject({
      spent: '0.000150000',
    })
  })

  test.each([
    ['a success without usage', outcomes.success],
    ['a cancelled answer', { ...outcomes.cancelled, content: 'Hi' }],
    ['a cut answer', { ...outcomes.fault, content: 'Hi' }],
  ])('estimates what %s has used, and says so', async (_, outcome) => {
    const { spent, ledger } = await settled(outcome)
    expect(ledger).toMatchObject({ output_tokens: 1, is_estimated: true })
    expect(ledger?.input_tokens).toBeGreaterThanOrEqual(100)
    expect(Number(spent)).toBeCloseTo((Number(ledger?.input_tokens) + 1) / 1e6, 9)
  })

  test('tells cached, reasoning and tool tokens apart, for those who may see the use', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const parts = { cached_input_tokens: 6, reasoning_tokens: 3, tool_input_tokens: 2 }
      const { finished } = await invoke(tx, owner, { agent }, used(10, 5, parts))
      expect(finished.usage).toMatchObject({ input_tokens: 10, output_tokens: 5, ...parts })
      const [row] = await as(
        tx,
        owner,
        (t) => t`
          select cached_input_tokens::integer, reasoning_tokens::integer, tool_input_tokens::integer
          from client_mgmt.usage_ledger`,
      )
      expect(row).toEqual(parts)
    })
  })

  test('believes no total that is less than its parts', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const id = await addBudget(tx, owner, { period: 'day', limit_tokens: 1e6 })
      await invoke(tx, owner, { agent }, used(100, 20, { total_tokens: 0 }))
      expect(await spentOf(tx, id)).toMatchObject({ tokens: 120, reserved_tokens: 0 })
    })
  })

  test('estimates only what is missing', async () => {
    const { tokens, ledger } = await settled({ ...outcomes.success, input_tokens: 5_000 })
    expect(ledger).toMatchObject({ input_tokens: 5_000, output_tokens: 1, is_estimated: true })
    expect(tokens).toBe(5_001)
  })

  test('an answer that is only a tool call is not free when it is cut', async () => {
    const call = { type: 'tool_call', id: 'c', name: 'search', arguments: 'x'.repeat(394) }
    const { ledger } = await settled({ ...outcomes.fault, parts: [call] })
    expect(ledger).toMatchObject({ output_tokens: 100, is_estimated: true })
  })

  test('a failure without a word and without usage costs nothing', async () => {
    const { spent, tokens, ledger } = await settled(outcomes.fault)
    expect([spent, tokens]).toEqual(['0.000000000', 0])
    expect(ledger).toMatchObject({ input_tokens: null, cost_usd: null, is_estimated: false })
  })

  test('where a price is missing after all, what was reserved is charged and the cost is null', async () => {
    const lost = (tx: TransactionSql) => tx`delete from client_mgmt.model_prices`
    const { spent, reserved, ledger } = await settled(used(100, 1), undefined, lost)
    expect(spent).toBe(reserved.usd)
    expect(ledger).toMatchObject({ cost_usd: null })
  })

  test('cached input without a price of its own costs what input costs, and is marked', async () => {
    const price = { input: 30, output: 60 }
    const usage = used(1_000, 5, { cached_input_tokens: 900 })
    const { spent, ledger } = await settled(usage, price)
    expect(spent).toBe('0.030300000')
    expect(ledger).toMatchObject({ cost_usd: '0.030300000', is_estimated: true })
    const told = await settled({ ...usage, provider_cost_usd: 0.01 }, price)
    expect(told).toMatchObject({ spent: '0.010000000', ledger: { is_estimated: false } })
    const priced = await settled(usage, { ...price, cached: 3 })
    expect(priced).toMatchObject({ spent: '0.006000000', ledger: { is_estimated: false } })
  })

  test('counts that do not add up are marked, whatever they cost', async () => {
    const { ledger } = await settled(used(100, 1, { usage_is_estimated: true }))
    expect(ledger).toMatchObject({ cost_usd: '0.000101000', is_estimated: true })
  })

  test('more than was reserved is charged in full, and the next request is refused', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '0.1' })
      await invoke(tx, owner, { agent }, used(200_000, 0))
      expect(await spentOf(tx, id)).toMatchObject({ settled: '0.200000000' })
      expect(await refusal(tx, owner, begin({ agent }))).toBe('PT402 budget_exceeded')
    })
  })

  test('a price counts from its date until the next one', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name: agent } = await addAgent(tx, owner)
      const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000)
      await setPrice(tx, agent, { input: 1, output: 1 })
      await setPrice(tx, agent, { input: 2, output: 2, from: inHours(-1) })
      await setPrice(tx, agent, { input: 4, output: 4, from: inHours(1) })
      const { finished } = await invoke(tx, owner, { agent }, used(1_000_000, 0))
      expect(finished.cost_usd).toBe(2)
      // What happened before stays as it was.
      await setPrice(tx, agent, { input: 8, output: 8, from: inHours(-0.5) })
      const { begun } = await invoke(tx, owner, { agent }, used(1_000_000, 0))
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({ cost_usd: '8.000000000' })
      const [first] = await tx`
        select cost_usd from client_mgmt.usage_ledger
        where organization_id = ${owner.organizationId} order by id limit 1`
      expect(first).toEqual({ cost_usd: '2.000000000' })
    })
  })

  test('what was reserved yesterday is settled in yesterday’s period', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '100' })
      const begun = await as(tx, owner, begin({ agent }))
      await tx`
        insert into client_mgmt.budget_counters
        select organization_id, budget_id, period_start - 1, 0, reserved_usd, 0, reserved_tokens
        from client_mgmt.budget_counters where budget_id = ${id}`
      await tx`
        update client_mgmt.budget_reservations set period_start = period_start - 1
        where budget_id = ${id}`
      await tx`
        update client_mgmt.budget_counters set reserved_usd = 0, reserved_tokens = 0
        where budget_id = ${id} and period_start = (now() at time zone 'utc')::date`
      await as(tx, 'service_role', finish(begun, used(1_000_000, 0)))
      const counters = await tx`
        select settled_usd, reserved_usd from client_mgmt.budget_counters
        where budget_id = ${id} order by period_start`
      expect(counters).toEqual([
        { settled_usd: '1.000000000', reserved_usd: '0.000000000' },
        { settled_usd: '0.000000000', reserved_usd: '0.000000000' },
      ])
    })
  })

  test('a model cannot be deleted while it answers, and is paid for', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name: agent, modelIds } = await addAgent(tx, owner)
      await setPrice(tx, agent, { input: 1, output: 1 })
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '100' })
      const begun = await as(tx, owner, begin({ agent }))
      const remove = (t: TransactionSql) =>
        t`delete from public.models where id = ${modelIds[0] ?? 0}`
      expect(await refusal(tx, owner, remove)).toBe('PT409 in_use')
      const ended = await as(
        tx,
        'service_role',
        finish(begun, used(10, 10, { model_id: modelIds[0], failed_models: modelIds })),
      )
      expect(ended).toMatchObject({ status: 'success', message: { content: 'Hi' } })
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({
        input_tokens: 10,
        cost_usd: '0.000020000',
        provider: 'openrouter',
      })
      expect(await spentOf(tx, id)).toMatchObject({ settled: '0.000020000' })
    })
  })

  test('the price of a deleted model is not that of another one of the route', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name: agent, modelIds } = await addAgent(tx, owner, ['first', 'second'])
      await setPrice(tx, agent, { input: 1, output: 1 }, 'first')
      const begun = await as(tx, owner, begin({ agent }))
      await as(tx, owner, (t) => t`delete from public.models where id = ${modelIds[1] ?? 0}`)
      await as(
        tx,
        'service_role',
        finish(begun, used(10, 10, { model_id: modelIds[1], failed_models: [modelIds[0]] })),
      )
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({
        cost_usd: null,
        provider: 'unknown',
      })
      const [breaker] = await tx`
        select failure_count as faults from public.circuit_breaker_state
        where model_id = ${modelIds[0] ?? 0}`
      expect(breaker).toEqual({ faults: 1 })
    })
  })
})
