import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addMember, addOwner, as, type Member, refusal } from '../../support/people/tenants.ts'
import {
  addBudget,
  addPricedAgent,
  discrepancies,
  liftLimits,
  refusedWith,
  reservedBy,
  setPrice,
  spentOf,
} from '../../support/rows/budgets.ts'
import {
  addAgent,
  begin,
  type Begun,
  finish,
  invoke,
  outcomes,
} from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function arrange(tx: TransactionSql): Promise<{ owner: Member; agent: string }> {
  const owner = await addOwner(tx)
  await liftLimits(tx, owner)
  return { owner, agent: await addPricedAgent(tx, owner) }
}

/** What one request of these reserves; rolled back. */
async function reservationOf(tx: TransactionSql, owner: Member, agent: string) {
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

const used = (input_tokens: number, output_tokens: number, rest: object = {}) => ({
  ...outcomes.success,
  input_tokens,
  output_tokens,
  ...rest,
})

const ledgerOf = async (tx: TransactionSql, executionId: string) => {
  const [row] = await tx`
    select input_tokens::integer, output_tokens::integer, cost_usd, is_estimated, provider
    from client_mgmt.usage_ledger where execution_id = ${executionId}`
  return row
}

describe('reserving', () => {
  test('a request is admitted up to the last one its limit covers, to the ninth decimal', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      const { usd } = await reservationOf(tx, owner, agent)
      const [limit] = await tx<{ exact: string; short: string }[]>`
        select (${usd}::numeric * 2)::text as exact, (${usd}::numeric * 2 - 1e-9)::text as short`
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: limit?.short ?? '' })
      await as(tx, owner, begin({ agent }))
      expect(await refusal(tx, owner, begin({ agent }))).toBe('PT402 budget_exceeded')
      await as(tx, owner, (t) => {
        return t`update client_mgmt.budgets set limit_usd = ${limit?.exact ?? ''} where id = ${id}`
      })
      await as(tx, owner, begin({ agent }))
      expect(await refusal(tx, owner, begin({ agent }))).toBe('PT402 budget_exceeded')
    })
  })

  test('tokens are limited like money, also where no price is known', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner } = await arrange(tx)
      const { name: agent } = await addAgent(tx, owner)
      const { tokens } = await reservationOf(tx, owner, await addPricedAgent(tx, owner))
      const id = await addBudget(tx, owner, { period: 'day', limit_tokens: tokens * 3 - 1 })
      await as(tx, owner, begin({ agent }))
      const { begun } = await invoke(tx, owner, { agent }, used(7, 5))
      expect(await spentOf(tx, id)).toMatchObject({ tokens: 12, reserved_tokens: tokens })
      await as(tx, owner, begin({ agent }))
      const { hint } = await refusedWith(as(tx, owner, begin({ agent })))
      expect(hint).toMatchObject({ budget_id: Number(id), limit_usd: null })
      expect(hint).toMatchObject({ limit_tokens: tokens * 3 - 1 })
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({ cost_usd: null })
    })
  })

  test('budgets of organization, project and person, per day and month, all apply at once', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      const [project] = await tx<{ id: string }[]>`
        insert into client_mgmt.projects (organization_id, name)
        values (${owner.organizationId}, 'p') returning id`
      const project_id = project?.id ?? ''
      const ask = () => begin({ agent, project_id })
      const scopes = {
        organization: {},
        project: { project_id },
        user: { user_id: owner.id },
      }
      const budgets: { id: string; scope: string; period: 'day' | 'month' }[] = []
      for (const [scope, of] of Object.entries(scopes)) {
        for (const period of ['day', 'month'] as const) {
          const id = await addBudget(tx, owner, { period, limit_usd: '100', ...of })
          budgets.push({ id, scope, period })
        }
      }
      await invoke(tx, owner, { agent, project_id }, used(1_000_000, 0))
      for (const { id } of budgets) {
        expect(await spentOf(tx, id)).toMatchObject({
          settled: '1.000000000',
          reserved: '0.000000000',
        })
      }
      const now = new Date()
      const resets = {
        day: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)),
        month: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)),
      }
      for (const { id, scope, period } of budgets) {
        const limit = (usd: number) =>
          as(
            tx,
            owner,
            (t) => t`update client_mgmt.budgets set limit_usd = ${usd} where id = ${id}`,
          )
        await limit(1)
        const { message, hint } = await refusedWith(as(tx, owner, ask()))
        expect({ message, ...hint }).toMatchObject({
          message: 'budget_exceeded',
          budget_id: Number(id),
          scope,
          period,
          limit_usd: 1,
        })
        expect(new Date(String(hint['resets_at']))).toEqual(resets[period])
        await limit(100)
      }
      await as(tx, owner, ask())
    })
  })

  test('a person’s or a project’s budget says nothing of others', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      const ben = await addMember(tx, owner.organizationId)
      const [project] = await tx<{ id: string }[]>`
        insert into client_mgmt.projects (organization_id, name)
        values (${owner.organizationId}, 'p') returning id`
      const project_id = project?.id ?? ''
      await addBudget(tx, owner, { period: 'day', limit_usd: '0', user_id: ben.id })
      await addBudget(tx, owner, { period: 'day', limit_usd: '0', project_id })
      expect(await refusal(tx, ben, begin({ agent }))).toBe('PT402 budget_exceeded')
      expect(await refusal(tx, owner, begin({ agent, project_id }))).toBe('PT402 budget_exceeded')
      expect(await refusal(tx, owner, begin({ agent }))).toBe('allowed')
    })
  })

  test('an image or a file is reserved for as what is there, not as its address', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      await addBudget(tx, owner, { period: 'day', limit_tokens: 1e9 })
      const url = 'https://files.example/a'
      const text = { type: 'text', text: 'Look' }
      const image = { type: 'image', url, media_type: 'image/png' }
      const file = { type: 'file', url, media_type: 'application/pdf' }
      const reserved = async (...content: object[]) => {
        const begun = await as(tx, owner, begin({ agent, content }))
        return { ...begun, tokens: (await reservedBy(tx, begun)).tokens }
      }
      const alone = await reserved(text)
      expect((await reserved(text, image)).tokens).toBeGreaterThan(alone.tokens + 2_048)
      const both = await reserved(text, image, file)
      expect(both.tokens).toBeGreaterThan(alone.tokens + 4_096)
      // They are sent again with every later turn.
      await as(tx, 'service_role', finish(both))
      const { session_id } = both
      const later = await as(tx, owner, begin({ agent, session_id }))
      expect((await reservedBy(tx, later)).tokens).toBeGreaterThan(both.tokens)
    })
  })

  test('what waits for its session is reserved for with the answers that came before it', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      const day = await addBudget(tx, owner, { period: 'day', limit_usd: '1', limit_tokens: 1e6 })
      const first = await as(tx, owner, begin({ agent }))
      const { session_id } = first
      const wait = () => as(tx, owner, begin({ agent, session_id, on_busy: 'queue' }))
      const start = ({ execution_id }: Begun) => {
        return (t: TransactionSql) => t`select public.start_execution(${execution_id})`
      }
      const next = await wait()
      expect(next.status).toBe('pending')
      const { tokens } = await reservedBy(tx, next)
      const answer = { ...outcomes.success, content: 'x'.repeat(400_000) }
      await as(tx, 'service_role', finish(first, answer))
      await as(tx, owner, start(next))
      const { tokens: then, usd } = await reservedBy(tx, next)
      expect(then).toBeGreaterThan(tokens + 200_000)
      expect(Number(usd)).toBeCloseTo(then / 1e6, 9)
      expect(await discrepancies(tx, owner.organizationId)).toEqual([])

      // What the budget does not cover any more is refused by then, and gives back what it held.
      const last = await wait()
      await as(tx, 'service_role', finish(next, used(900_000, 10)))
      expect(await refusal(tx, owner, start(last))).toBe('PT402 budget_exceeded')
      await as(tx, 'service_role', finish(last, { ...outcomes.fault, fault: 'platform' }))
      expect(await spentOf(tx, day)).toMatchObject({ reserved: '0.000000000', reserved_tokens: 0 })
      expect(await discrepancies(tx, owner.organizationId)).toEqual([])
    })
  })

  test('a reservation whose worker died blocks no later request, of any person and in any session', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      const { tokens } = await reservationOf(tx, owner, agent)
      const day = await addBudget(tx, owner, { period: 'day', limit_tokens: tokens })
      await as(tx, owner, begin({ agent }))
      const member = await addMember(tx, owner.organizationId)
      expect(await refusal(tx, member, begin({ agent }))).toBe('PT402 budget_exceeded')
      await tx`
        update public.agent_executions set lease_expires_at = now() - interval '1 second'
        where organization_id = ${owner.organizationId}`
      expect(await refusal(tx, member, begin({ agent }))).toBe('allowed')
      expect(await spentOf(tx, day)).toMatchObject({ tokens: 0, reserved_tokens: tokens })
      expect(await discrepancies(tx, owner.organizationId)).toEqual([])
    })
  })

  test('twenty that died in one session are all ended before its next one begins', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
      const { session_id } = await as(tx, owner, begin({ agent }))
      const queued = begin({ agent, session_id, on_busy: 'queue' })
      for (let n = 0; n < 20; n++) await as(tx, owner, queued)
      await tx`
        update public.agent_executions set lease_expires_at = now() - interval '1 second'
        where organization_id = ${owner.organizationId}`
      expect(await as(tx, owner, begin({ agent, session_id }))).toMatchObject({ status: 'running' })
      const ended = await tx`
        select 1 from public.agent_executions
        where session_id = ${session_id} and error_code = 'interrupted'`
      expect(ended).toHaveLength(21)
    })
  })

  test('under a money budget an unknown price is refused, and nothing else is', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner } = await arrange(tx)
      const { name: agent } = await addAgent(tx, owner, ['known', 'unknown'])
      await setPrice(tx, agent, { input: 1, output: 1 }, 'known')
      await setPrice(tx, agent, { input: 1, output: null }, 'unknown')
      const { begun } = await invoke(tx, owner, { agent, model: 'unknown' }, used(1, 1))
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({ cost_usd: null })
      await addBudget(tx, owner, { period: 'month', limit_usd: '100' })
      expect(await refusal(tx, owner, begin({ agent, model: 'unknown' }))).toMatch(
        / price_unknown$/,
      )
      // Its route may fall back on the other one.
      expect(await refusal(tx, owner, begin({ agent }))).toMatch(/ price_unknown$/)
      expect(await refusal(tx, owner, begin({ agent, model: 'known' }))).toBe('allowed')
    })
  })
})

describe('settling', () => {
  const settled = async (
    outcome: object,
    price: Parameters<typeof setPrice>[2] = { input: 1, output: 1 },
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
      const { owner, agent } = await arrange(tx)
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
      const { owner, agent } = await arrange(tx)
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
    const { spent, reserved, ledger } = await settled(used(100, 1, { cached_input_tokens: 60 }))
    expect(spent).toBe(reserved.usd)
    expect(ledger).toMatchObject({ cost_usd: null })
  })

  test('more than was reserved is charged in full, and the next request is refused', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
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
      const { owner, agent } = await arrange(tx)
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

  test('a model that is deleted while it answers costs neither its answer nor its usage', async () => {
    await rolledBack(sql, async (tx) => {
      const owner = await addOwner(tx)
      const { name: agent, modelIds } = await addAgent(tx, owner)
      await setPrice(tx, agent, { input: 1, output: 1 })
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '100' })
      const begun = await as(tx, owner, begin({ agent }))
      const { usd } = await reservedBy(tx, begun)
      await as(tx, owner, (t) => t`delete from public.models where id = ${modelIds[0] ?? 0}`)
      const ended = await as(
        tx,
        'service_role',
        finish(begun, used(10, 10, { model_id: modelIds[0], failed_models: modelIds })),
      )
      expect(ended).toMatchObject({ status: 'success', message: { content: 'Hi' } })
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({
        input_tokens: 10,
        cost_usd: null,
        provider: 'unknown',
      })
      expect(await spentOf(tx, id)).toMatchObject({ settled: usd })
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

describe('a budget that changes under way', () => {
  test('deleted: its executions end as if it had never been', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrange(tx)
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
      const { owner, agent } = await arrange(tx)
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
      const { owner, agent } = await arrange(tx)
      const begun = await as(tx, owner, begin({ agent }))
      const id = await addBudget(tx, owner, { period: 'day', limit_usd: '1' })
      await as(tx, 'service_role', finish(begun, used(1_000_000, 0)))
      expect(await spentOf(tx, id)).toMatchObject({ settled: '0.000000000' })
    })
  })
})

test('an alert is written once per period, when the share of the limit is passed', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent } = await arrange(tx)
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
