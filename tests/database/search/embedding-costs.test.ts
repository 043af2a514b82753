import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addOwner, as, type Member } from '../../support/people/tenants.ts'
import { addBudget } from '../../support/rows/budgets.ts'
import {
  addEmbeddingModel,
  claim,
  type Claimed,
  drain,
  fail,
  meaningOf,
  setSearch,
  store,
} from '../../support/rows/embeddings.ts'
import { addConversation } from '../../support/rows/search.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

async function wanting(tx: TransactionSql, texts: readonly string[]) {
  const owner = await addOwner(tx)
  const model = await addEmbeddingModel(tx, owner)
  await setSearch(tx, owner, { search_model: model.name })
  await addConversation(tx, owner, texts)
  return { owner, model }
}

async function claimed(tx: TransactionSql): Promise<Claimed> {
  const batch = await claim(tx)
  if (!batch) throw new Error('nothing was claimed')
  return batch
}

const ledger = (tx: TransactionSql, { organizationId }: Member) => tx`
  select execution_id, user_id, input_tokens::integer as tokens, cost_usd::float8 as cost, is_estimated
  from client_mgmt.usage_ledger where organization_id = ${organizationId} order by id`

/** As if the time had passed. */
const due = (tx: TransactionSql, { organizationId }: Member) => tx`
  update private.search_models set retry_at = null where organization_id = ${organizationId}`
const dueTexts = (tx: TransactionSql, { organizationId }: Member) => tx`
  update private.embedding_queue set due_at = clock_timestamp()
  where organization_id = ${organizationId} and due_at < 'infinity'`

test('the ledger has each batch, and its sum is what the vectors cost', async () => {
  await rolledBack(sql, async (tx) => {
    const texts = Array.from({ length: 70 }, (_, n) => `a dog ${n}`)
    const { owner } = await wanting(tx, texts)
    const first = await claimed(tx)
    await store(tx, first, first.texts.map(meaningOf), 500_000)
    const second = await claimed(tx)
    await store(tx, second, second.texts.map(meaningOf), null)
    expect(await ledger(tx, owner)).toEqual([
      {
        execution_id: first.batch_id,
        user_id: null,
        tokens: 500_000,
        cost: 1,
        is_estimated: false,
      },
      // Six texts of eight bytes; two dollars a million tokens.
      {
        execution_id: second.batch_id,
        user_id: null,
        tokens: 12,
        cost: 0.000_024,
        is_estimated: true,
      },
    ])
    const [sum] = await as(
      tx,
      owner,
      (t) => t<{ cost: number; executions: string }[]>`
      select sum(cost_usd)::float8 as cost, sum(executions) as executions from public.usage_by_day('2020-01-01')`,
    )
    expect(sum).toEqual({ cost: 1.000_024, executions: '2' })
  })
})

test('the budgets of the organization bound what is made, before any call', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, model } = await wanting(tx, ['a dog and more'])
    const budget = await addBudget(tx, owner, { period: 'day', limit_tokens: 13 })
    expect(await claim(tx)).toBeNull()
    const [state] = await tx`
      select last_error, retry_at > clock_timestamp() + interval '4 minutes' as waits
      from private.search_models where organization_id = ${owner.organizationId}`
    expect(state).toEqual({ last_error: 'budget_exceeded', waits: true })
    // No other try before the time.
    expect(await claim(tx)).toBeNull()
    await tx`update client_mgmt.budgets set limit_tokens = 14 where id = ${budget}`
    expect(await claim(tx)).toBeNull()
    await due(tx, owner)
    const batch = await claimed(tx)
    const counter = () => tx`
      select reserved_tokens::integer as reserved, settled_tokens::integer as settled
      from client_mgmt.budget_counters where budget_id = ${budget}`
    expect(await counter()).toEqual([{ reserved: 14, settled: 0 }])
    await store(tx, batch, batch.texts.map(meaningOf), 4)
    expect(await counter()).toEqual([{ reserved: 0, settled: 4 }])
    await tx`delete from client_mgmt.model_prices where model_id = ${model.name}`
    await addBudget(tx, owner, { period: 'month', limit_usd: '1' })
    await addConversation(tx, owner, ['rain'])
    expect(await claim(tx)).toBeNull()
    const [priceless] = await tx`
      select last_error from private.search_models where organization_id = ${owner.organizationId}`
    expect(priceless).toEqual({ last_error: 'price_unknown' })
  })
})

test('a worker that dies is charged for, its texts are sent again, and what it stores late is not', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx, ['a dog'])
    const dead = await claimed(tx)
    expect(await claim(tx)).toBeNull()
    await tx`
      update private.embedding_batches set lease_expires_at = clock_timestamp() - interval '1 second'
      where organization_id = ${owner.organizationId}`
    await dueTexts(tx, owner)
    const next = await claimed(tx)
    expect(next.texts).toEqual(['a dog'])
    expect(await store(tx, dead, dead.texts.map(meaningOf))).toBe(0)
    expect(await store(tx, next, next.texts.map(meaningOf), 1)).toBe(1)
    expect(await ledger(tx, owner)).toMatchObject([
      { execution_id: dead.batch_id, tokens: 2, is_estimated: true },
      { execution_id: next.batch_id, tokens: 1, is_estimated: false },
    ])
  })
})

test('a provider that fails is left alone for a growing time, and costs nothing', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx, ['a dog', 'rain'])
    const waits: number[] = []
    for (let n = 0; n < 4; n++) {
      await fail(tx, await claimed(tx), 'provider_error', 'provider')
      expect(await claim(tx)).toBeNull()
      const [row] = await tx<{ seconds: number }[]>`
        select round(extract(epoch from retry_at - clock_timestamp()) / 10)::integer * 10 as seconds
        from private.search_models where organization_id = ${owner.organizationId}`
      waits.push(row?.seconds ?? 0)
      await due(tx, owner)
    }
    expect(waits).toEqual([30, 60, 120, 240])
    expect(await ledger(tx, owner)).toEqual([])
    // One of the texts may be the cause, so each is sent alone now.
    expect((await drain(tx)).sort()).toEqual([['a dog'], ['rain']])
  })
})

test('a text that the model refuses is found, and given up for a day; the others get their vectors', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner } = await wanting(tx, ['a dog', 'bad', 'rain'])
    await fail(tx, await claimed(tx), 'provider_rejected_request', 'caller')
    let refusals = 1
    const made: string[] = []
    for (let batch = await claim(tx); batch; batch = await claim(tx)) {
      expect(batch.texts).toHaveLength(1)
      if (batch.texts[0] === 'bad') {
        await fail(tx, batch, 'provider_rejected_request', 'caller')
        refusals++
        await dueTexts(tx, owner)
      } else {
        await store(tx, batch, batch.texts.map(meaningOf))
        made.push(...batch.texts)
      }
    }
    expect(made).toEqual(['a dog', 'rain'])
    expect(refusals).toBe(8)
    const [left] = await tx`
      select last_error, due_at = 'infinity' as given_up from private.embedding_queue
      where organization_id = ${owner.organizationId}`
    expect(left).toEqual({ last_error: 'provider_rejected_request', given_up: true })
  })
})

test('an open breaker and a missing key keep the texts for later', async () => {
  await rolledBack(sql, async (tx) => {
    const { owner, model } = await wanting(tx, ['a dog'])
    const [row] = await as(
      tx,
      'service_role',
      (t) => t`
      select public.claim_embeddings('{}') as claimed`,
    )
    expect(row).toEqual({ claimed: null })
    await due(tx, owner)
    await tx`
      insert into public.circuit_breaker_state (agent_id, model_id, state, opened_at, failure_count)
      select agent_id, id, 'open', clock_timestamp(), 5 from public.models where id = ${model.id}`
    expect(await claim(tx)).toBeNull()
    const states = await tx`
      select last_error, retry_at <= clock_timestamp() + interval '30 seconds' as soon
      from private.search_models where organization_id = ${owner.organizationId}`
    expect(states).toEqual([{ last_error: 'circuit_open', soon: true }])
    await due(tx, owner)
    await tx`
      update public.circuit_breaker_state set opened_at = clock_timestamp() - interval '1 minute'
      where model_id = ${model.id}`
    expect(await drain(tx)).toEqual([['a dog']])
    const breakers = await tx`
      select state, success_count from public.circuit_breaker_state where model_id = ${model.id}`
    expect(breakers).toEqual([{ state: 'closed', success_count: 1 }])
  })
})
