import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, refusal } from '../../support/people/tenants.ts'
import { addBudget, setPrice } from '../../support/rows/budgets.ts'
import { addAgent, begin, invoke } from '../../support/rows/executions.ts'
import { ledgerOf, used } from '../../support/rows/priced-requests.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

const price =
  (agent: string, model: string, usd: number | null, provider = 'openrouter') =>
  (tx: TransactionSql) => tx`
    insert into client_mgmt.model_prices
      (provider, model_id, input_per_million, output_per_million)
    values (${provider}, ${`${agent}/${model}`}, ${usd}, ${usd})`

test('under a money budget models without a price leave the route, and only they do', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner, ['unknown', 'known', 'half'])
    await setPrice(tx, agent, { input: 1, output: 1 }, 'known')
    await setPrice(tx, agent, { input: 1, output: null }, 'half')
    const route = async () => (await as(tx, owner, begin({ agent }))).route.map(({ name }) => name)
    expect(await route()).toEqual(['unknown', 'known', 'half'])
    await addBudget(tx, owner, { period: 'day', limit_tokens: 100_000_000 })
    expect(await route()).toEqual(['unknown', 'known', 'half'])
    await addBudget(tx, owner, { period: 'month', limit_usd: '100' })
    expect(await route()).toEqual(['known'])
    // One that is asked for by name has no other to leave it to.
    expect(await refusal(tx, owner, begin({ agent, model: 'unknown' }))).toBe('PT409 price_unknown')
  })
})

test('an organization prices what the platform does not, for itself alone', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner, ['own', 'listed'])
    await setPrice(tx, agent, { input: 1, output: 1 }, 'listed')
    await addBudget(tx, owner, { period: 'day', limit_usd: '100' })
    expect(await refusal(tx, owner, begin({ agent, model: 'own' }))).toBe('PT409 price_unknown')
    const member = await addMember(tx, owner.organizationId)
    expect(await refusal(tx, member, price(agent, 'own', 2))).toBe('42501 permission_denied')
    await as(tx, owner, price(agent, 'own', 2))
    // The platform pays for what it lists.
    await as(tx, owner, price(agent, 'listed', 0))
    const cost = async (model: string) => {
      const { begun } = await invoke(tx, owner, { agent, model }, used(1_000_000, 0))
      return String((await ledgerOf(tx, begun.execution_id))?.['cost_usd'])
    }
    expect(await cost('own')).toBe('2.000000000')
    expect(await cost('listed')).toBe('1.000000000')
    const read = (t: TransactionSql) => t`
      select 1 from client_mgmt.model_prices where model_id like ${`${agent}/%`}`
    expect(await as(tx, member, read)).toHaveLength(3)
    expect(await as(tx, await addOwner(tx), read)).toHaveLength(1)
  })
})

test('an own price is replaced by a newer one or deleted, and the platform’s is not', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner, ['own', 'listed'])
    await setPrice(tx, agent, { input: 1, output: 1 }, 'listed')
    await as(tx, owner, price(agent, 'own', 2))
    expect(await refusal(tx, owner, price(agent, 'own', -1))).toMatch(/^23514 /)
    expect(
      await refusal(tx, owner, (t) => t`update client_mgmt.model_prices set input_per_million = 0`),
    ).toMatch(/^42501 /)
    await as(tx, owner, (t) => t`delete from client_mgmt.model_prices where true`)
    const left =
      await tx`select 1 from client_mgmt.model_prices where model_id like ${`${agent}/%`}`
    expect(left).toHaveLength(1)
    const told = await tx<{ action: string }[]>`
      select action from public.audit_logs
      where organization_id = ${owner.organizationId} and resource_type = 'model_price' order by id`
    expect(told.map(({ action }) => action)).toEqual(['model_price.insert', 'model_price.delete'])
  })
})
