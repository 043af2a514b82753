import postgres, { type Sql, type TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, committedAs, type Member, refusal } from '../../support/people/tenants.ts'
import {
  addAgent,
  begin,
  type Begun,
  finish,
  invoke,
  outcomes,
} from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'
import { useDatabase } from '../../support/stack/stack.ts'

const sql = connectOwner()

interface Arranged {
  owner: Member
  agent: string
  agentId: number
  modelId: number
}

async function arrange(tx: TransactionSql): Promise<Arranged> {
  const owner = await addOwner(tx)
  const { name, id, modelIds } = await addAgent(tx, owner)
  await tx`
    update client_mgmt.organization_limits
    set max_concurrent_executions = 1000, max_concurrent_per_user = 1000
    where organization_id = ${owner.organizationId}`
  return { owner, agent: name, agentId: id, modelId: modelIds[0] ?? NaN }
}

async function breakerOf(tx: Sql | TransactionSql, { modelId }: Arranged) {
  const [row] = await tx`
    select state, failure_count as failures, generation::integer
    from public.circuit_breaker_state where model_id = ${modelId}`
  return row
}

async function fail(tx: TransactionSql, { owner, agent }: Arranged, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await invoke(tx, owner, { agent }, outcomes.fault)
}

const cooledDown = (tx: TransactionSql, { modelId }: Arranged) => tx`
  update public.circuit_breaker_state set opened_at = now() - interval '31 seconds'
  where model_id = ${modelId}`

const acquireProbe = (begun: Begun, modelId: number) => async (tx: TransactionSql) => {
  const [row] = await tx<{ probe: boolean }[]>`
    select public.acquire_probe(${begun.organization_id}, ${begun.execution_id}, ${modelId}) as probe`
  return row?.probe ?? false
}

/** An execution that holds the one probe of a breaker that had opened. */
async function probing(tx: TransactionSql, arranged: Arranged): Promise<Begun> {
  await fail(tx, arranged, 5)
  await cooledDown(tx, arranged)
  const begun = await as(tx, arranged.owner, begin({ agent: arranged.agent }))
  const got = await as(tx, 'service_role', acquireProbe(begun, arranged.modelId))
  expect(got).toBe(true)
  return begun
}

test('it opens at the fifth provider fault in a row and refuses before anything is written', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent } = arranged
    await fail(tx, arranged, 4)
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'closed', failures: 4 })
    await invoke(tx, owner, { agent })
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'closed', failures: 0 })
    await fail(tx, arranged, 5)
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'open', failures: 5 })
    const [before] = await tx`select count(*) from public.chat_messages`
    expect(await refusal(tx, owner, begin({ agent }))).toBe('PT503 circuit_open')
    const { hint } = (await as(tx, owner, begin({ agent })).catch((error: unknown) => error)) as {
      hint: string
    }
    const { retry_after: seconds } = JSON.parse(hint) as { retry_after: number }
    expect([seconds > 0, seconds <= 30]).toEqual([true, true])
    expect(await tx`select count(*) from public.chat_messages`).toEqual([before])
    const status = await as(
      tx,
      owner,
      (t) => t`select health, circuit_state from public.v_agent_status where name = ${agent}`,
    )
    expect(status).toEqual([{ health: 'unhealthy', circuit_state: 'open' }])
  })
})

test('the caller’s and our own faults and cancellations never count', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent } = arranged
    for (let n = 0; n < 3; n++) {
      for (const fault of ['caller', 'platform']) {
        await invoke(tx, owner, { agent }, { ...outcomes.fault, fault })
      }
      await invoke(tx, owner, { agent }, outcomes.cancelled)
    }
    expect(await breakerOf(tx, arranged)).toBeUndefined()
  })
})

test('a closed breaker costs no write', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    await invoke(tx, arranged.owner, { agent: arranged.agent })
    expect(await breakerOf(tx, arranged)).toBeUndefined()
  })
})

test('of sixty workers that race for the probe exactly one gets it', async () => {
  const arranged = await sql.begin(async (tx) => {
    const made = await arrange(tx)
    await fail(tx, made, 5)
    await cooledDown(tx, made)
    return made
  })
  const waiting: Begun[] = []
  await sql.begin(async (tx) => {
    for (let n = 0; n < 60; n++) {
      waiting.push(await as(tx, arranged.owner, begin({ agent: arranged.agent })))
    }
    // Their workers are alive, however long the connections take.
    await tx`
      update public.agent_executions set lease_expires_at = now() + interval '1 hour'
      where id in ${tx(waiting.map(({ execution_id }) => execution_id))}`
  })
  const racers = postgres(useDatabase().databaseUrl, { max: 60, onnotice: () => undefined })
  try {
    // All connections first, so that they race for the probe and not for the handshake.
    await Promise.all(waiting.map(() => racers`select pg_sleep(0.2)`))
    const probes = await Promise.all(
      waiting.map((begun) =>
        committedAs(racers, 'service_role', acquireProbe(begun, arranged.modelId)),
      ),
    )
    expect(probes.filter(Boolean)).toHaveLength(1)
  } finally {
    await racers.end()
  }
  expect(await breakerOf(sql, arranged)).toMatchObject({ state: 'half_open', generation: 2 })
})

test('while someone probes nobody else is let in; a probe that is never heard of ends', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    await probing(tx, arranged)
    const { owner, agent, modelId } = arranged
    expect(await refusal(tx, owner, begin({ agent }))).toBe('PT503 circuit_open')
    await tx`
      update public.circuit_breaker_state set probe_expires_at = now() - interval '1 second'
      where model_id = ${modelId}`
    const next = await as(tx, owner, begin({ agent }))
    expect(await as(tx, 'service_role', acquireProbe(next, modelId))).toBe(true)
  })
})

test('a probe that succeeds closes it, one that fails opens it anew', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const { owner, agent } = arranged
    const good = await probing(tx, arranged)
    await as(tx, 'service_role', finish(good))
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'closed', failures: 0 })
    const bad = await probing(tx, arranged)
    await as(tx, 'service_role', finish(bad, outcomes.fault))
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'open' })
    expect(await refusal(tx, owner, begin({ agent }))).toBe('PT503 circuit_open')
  })
})

test('a cancelled probe lets the next caller probe at once', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const probe = await probing(tx, arranged)
    await as(tx, 'service_role', finish(probe, outcomes.cancelled))
    const next = await as(tx, arranged.owner, begin({ agent: arranged.agent }))
    expect(await as(tx, 'service_role', acquireProbe(next, arranged.modelId))).toBe(true)
  })
})

test('what calls from before say when it has opened and closed again is ignored', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    const late: Begun[] = []
    for (let n = 0; n < 6; n++) {
      late.push(await as(tx, arranged.owner, begin({ agent: arranged.agent })))
    }
    const probe = await probing(tx, arranged)
    const lateSuccess = late.pop()
    if (lateSuccess !== undefined) await as(tx, 'service_role', finish(lateSuccess))
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'half_open' })
    await as(tx, 'service_role', finish(probe))
    for (const begun of late) await as(tx, 'service_role', finish(begun, outcomes.fault))
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'closed', failures: 0 })
  })
})

test('one organization’s bad key opens nothing for another', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await arrange(tx)
    const { owner: other } = await arrange(tx)
    await as(
      tx,
      'service_role',
      (t) => t`
        select public.store_provider_credential(
          ${owner.organizationId}, ${owner.id}, 'openrouter', 'v1.a.b.c', 'abcd')`,
    )
    const args = { agent: 'droid', model: 'gpt-4' }
    for (let n = 0; n < 5; n++) await invoke(tx, owner, args, outcomes.fault)
    expect(await refusal(tx, owner, begin(args))).toBe('PT503 circuit_open')
    expect(await refusal(tx, other, begin(args))).toBe('allowed')
    const status = (t: TransactionSql) =>
      t`select circuit_state from public.v_agent_status where name = 'droid'`
    expect(await as(tx, owner, status)).toEqual([{ circuit_state: 'open' }])
    expect(await as(tx, other, status)).toEqual([{ circuit_state: 'closed' }])
  })
})

test('faults of an organization’s own model of a shared agent show to nobody else', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await arrange(tx)
    const { owner: other } = await arrange(tx)
    await tx`
      insert into public.models (organization_id, agent_id, name, display_name, provider, model_id)
      select ${owner.organizationId}, id, 'mine', 'mine', 'openrouter', 'a/mine'
      from public.agents where name = 'droid' and organization_id is null`
    for (let n = 0; n < 5; n++) {
      await invoke(tx, owner, { agent: 'droid', model: 'mine' }, outcomes.fault)
    }
    // Ends of each are judged by what is its own.
    for (const each of [owner, other]) await invoke(tx, each, { agent: 'droid', model: 'gpt-4' })
    const status = (t: TransactionSql) =>
      t`select health, circuit_state from public.v_agent_status where name = 'droid'`
    const degraded = [{ health: 'degraded', circuit_state: 'open' }]
    expect(await as(tx, owner, status)).toEqual(degraded)
    expect(await as(tx, other, status)).toEqual([{ health: 'healthy', circuit_state: 'closed' }])
  })
})

test('nobody but service_role takes a probe, and nobody writes a breaker', async () => {
  await rolledBack(sql, async (tx) => {
    const arranged = await arrange(tx)
    await fail(tx, arranged, 5)
    await cooledDown(tx, arranged)
    const begun = await as(tx, arranged.owner, begin({ agent: arranged.agent }))
    const probe = acquireProbe(begun, arranged.modelId)
    const close = (t: TransactionSql) => t`update public.circuit_breaker_state set state = 'closed'`
    for (const actor of [arranged.owner, 'anon'] as const) {
      expect(await refusal(tx, actor, probe)).toMatch(/^42501 /)
      expect(await refusal(tx, actor, close)).toMatch(/^42501 /)
    }
    expect(await refusal(tx, 'service_role', close)).toMatch(/^42501 /)
    expect(await breakerOf(tx, arranged)).toMatchObject({ state: 'open' })
  })
})
