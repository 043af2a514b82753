import type { TransactionSql } from 'postgres'
import { describe, expect, test } from 'vitest'
import { addMember, as, refusal } from '../../support/people/tenants.ts'
import {
  addBudget,
  addPricedAgent,
  discrepancies,
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
import {
  arrangeBudgets,
  ledgerOf,
  reservationOf,
  used,
} from '../../support/rows/priced-requests.ts'

const sql = connectOwner()

describe('reserving', () => {
  test('a request is admitted up to the last one its limit covers, to the ninth decimal', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
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
      const { owner } = await arrangeBudgets(tx)
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
      const { owner, agent } = await arrangeBudgets(tx)
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
      const { owner, agent } = await arrangeBudgets(tx)
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
      const { owner, agent } = await arrangeBudgets(tx)
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
      expect((await reserved(text, image)).tokens).toBeGreaterThan(alone.tokens + 16_384)
      const both = await reserved(text, image, file)
      expect(both.tokens).toBeGreaterThan(alone.tokens + 32_768)
      // They are sent again with every later turn.
      await as(tx, 'service_role', finish(both))
      const { session_id } = both
      const later = await as(tx, owner, begin({ agent, session_id }))
      expect((await reservedBy(tx, later)).tokens).toBeGreaterThan(both.tokens)
    })
  })

  test('what waits for its session is reserved for with the answers that came before it', async () => {
    await rolledBack(sql, async (tx) => {
      const { owner, agent } = await arrangeBudgets(tx)
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
      const { owner, agent } = await arrangeBudgets(tx)
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
      const { owner, agent } = await arrangeBudgets(tx)
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
      const { owner } = await arrangeBudgets(tx)
      const { name: agent } = await addAgent(tx, owner, ['known', 'unknown'])
      await setPrice(tx, agent, { input: 1, output: 1 }, 'known')
      await setPrice(tx, agent, { input: 1, output: null }, 'unknown')
      const { begun } = await invoke(tx, owner, { agent, model: 'unknown' }, used(1, 1))
      expect(await ledgerOf(tx, begun.execution_id)).toMatchObject({ cost_usd: null })
      await addBudget(tx, owner, { period: 'month', limit_usd: '100' })
      expect(await refusal(tx, owner, begin({ agent, model: 'unknown' }))).toMatch(
        / price_unknown$/,
      )
      // Without a name the route goes on without it.
      expect(await refusal(tx, owner, begin({ agent }))).toBe('allowed')
      expect(await refusal(tx, owner, begin({ agent, model: 'known' }))).toBe('allowed')
    })
  })
})
