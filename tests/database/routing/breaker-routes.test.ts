import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, type Member } from '../../support/people/tenants.ts'
import { addAgent, begin, type Begun, finish, outcomes } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

interface Arranged {
  owner: Member
  agent: string
  first: number
  second: number
}

/** An agent that falls back from one model on another. */
async function arrange(tx: TransactionSql): Promise<Arranged> {
  const owner = await addOwner(tx)
  await tx`
    update client_mgmt.organization_limits
    set max_concurrent_executions = 1000, max_concurrent_per_user = 1000
    where organization_id = ${owner.organizationId}`
  const { name, modelIds } = await addAgent(tx, owner, ['first', 'second'])
  const [first = NaN, second = NaN] = modelIds
  return { owner, agent: name, first, second }
}

const breaker = async (tx: TransactionSql, modelId: number) => {
  const [row] = await tx`
    select state, failure_count as faults, probe_expires_at > clock_timestamp() as probing
    from public.circuit_breaker_state where model_id = ${modelId}`
  return row
}

const end = (tx: TransactionSql, begun: Begun, outcome: Record<string, unknown>) =>
  as(tx, 'service_role', finish(begun, outcome))

const status = async (tx: TransactionSql, { owner, agent }: Arranged) => {
  const rows = await as(
    tx,
    owner,
    (t) => t`
      select v.health, v.circuit_state, h.status as stored
      from public.v_agent_status v
      left join public.agent_health h on h.agent_id = v.agent_id where v.name = ${agent}`,
  )
  return rows[0]
}

test('faults on the way to an answer count for the models that had them, each as often as it failed', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent, first, second } = arranged
    const begun = await as(tx, owner, begin({ agent }))
    await end(tx, begun, { ...outcomes.success, model_id: second, failed_models: [first, first] })
    expect(await breaker(tx, first)).toMatchObject({ state: 'closed', faults: 2 })
    expect(await breaker(tx, second)).toBeUndefined()
    const failed = await as(tx, owner, begin({ agent }))
    const all = { ...outcomes.fault, model_id: second, failed_models: [first, first, second] }
    await end(tx, failed, all)
    expect(await breaker(tx, first)).toMatchObject({ faults: 4 })
    expect(await breaker(tx, second)).toMatchObject({ faults: 2 })
  })
})

test('a model whose breaker is open is passed over, and the next one answers', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent, first, second } = arranged
    const begun = await as(tx, owner, begin({ agent }))
    const faults = Array<number>(5).fill(first)
    await end(tx, begun, { ...outcomes.success, model_id: second, failed_models: faults })
    expect(await breaker(tx, first)).toMatchObject({ state: 'open' })
    const next = await as(tx, owner, begin({ agent }))
    expect(next.route.map((step) => Number(step.model_id))).toEqual([second])
  })
})

test('a probe is given back when its model is left for a reason that is no fault', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent, first, second } = arranged
    const broken = await as(tx, owner, begin({ agent }))
    const faults = Array<number>(5).fill(first)
    await end(tx, broken, { ...outcomes.success, model_id: second, failed_models: faults })
    await tx`update public.circuit_breaker_state set opened_at = now() - interval '31 seconds'
      where model_id = ${first}`
    const probing = await as(tx, owner, begin({ agent }))
    const waiting = await as(tx, owner, begin({ agent }))
    const acquire = (begun: Begun) =>
      as(tx, 'service_role', async (t) => {
        const [row] = await t<{ got: boolean }[]>`
          select public.acquire_probe(${begun.organization_id}, ${begun.execution_id}, ${first}) as got`
        return row?.got
      })
    expect(await acquire(probing)).toBe(true)
    expect(await acquire(waiting)).toBe(false)
    // The credential was refused, say: the fallback answered.
    await end(tx, probing, { ...outcomes.success, model_id: second })
    expect(await breaker(tx, first)).toMatchObject({ state: 'half_open', probing: false })
    expect(await acquire(waiting)).toBe(true)
  })
})

test('a closed breaker writes nothing, also where it has a row', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, agent, first } = await arrange(tx)
    const once = await as(tx, owner, begin({ agent }))
    await end(tx, once, { ...outcomes.fault, model_id: first })
    const again = await as(tx, owner, begin({ agent }))
    await end(tx, again, { ...outcomes.success, model_id: first })
    // A row version says who wrote it last, and where it lies.
    const version = async () => {
      const [row] = await tx`
        select xmin::text, cmin::text, ctid::text, last_success_time
        from public.circuit_breaker_state where model_id = ${first}`
      return row
    }
    const before = await version()
    for (let n = 0; n < 3; n++) {
      const begun = await as(tx, owner, begin({ agent }))
      await end(tx, begun, { ...outcomes.success, model_id: first })
    }
    expect(await version()).toEqual(before)
  })
})

test('the health that is shown, the health that is stored and the breaker agree', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent, first, second } = arranged
    const run = async (outcome: Record<string, unknown>) =>
      end(tx, await as(tx, owner, begin({ agent })), outcome)
    const answered = { ...outcomes.success, model_id: second }
    await run(answered)
    expect(await status(tx, arranged)).toMatchObject({ health: 'healthy', circuit_state: 'closed' })
    await run({ ...answered, failed_models: [first] })
    expect(await status(tx, arranged)).toEqual({
      health: 'degraded',
      circuit_state: 'closed',
      stored: 'degraded',
    })
    await run({ ...outcomes.success, model_id: first })
    expect(await status(tx, arranged)).toMatchObject({ health: 'healthy', stored: 'healthy' })
    // It opens, and the fallback answers: worse than healthy, better than nothing.
    await run({ ...answered, failed_models: Array<number>(5).fill(first) })
    await run(answered)
    expect(await status(tx, arranged)).toMatchObject({ health: 'degraded', circuit_state: 'open' })
    // Both are open: nothing answers.
    for (let n = 0; n < 5; n++) await run({ ...outcomes.fault, model_id: second })
    expect(await status(tx, arranged)).toEqual({
      health: 'unhealthy',
      circuit_state: 'open',
      stored: 'unhealthy',
    })
  })
})
