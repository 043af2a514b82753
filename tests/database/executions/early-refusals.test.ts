import { expect, test } from 'vitest'
import { addOwner, committedAs, outcome } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { ownDatabase } from '../../support/stack/own-database.ts'

// Of its own, because a platform counts everyone's executions.
const database = ownDatabase(4)

test.each([
  ['executions of a person', { max_concurrent_per_user: 0 }, 'PT429 too_many_executions'],
  ['executions of an organization', { max_concurrent_executions: 0 }, 'PT429 too_many_executions'],
  ['requests of a person', { requests_per_minute_per_user: 0 }, 'PT429 rate_limited'],
  ['requests of an organization', { requests_per_minute: 0 }, 'PT429 rate_limited'],
  ['tokens of a person', { tokens_per_minute_per_user: 0 }, 'PT429 rate_limited'],
  ['tokens of an organization', { tokens_per_minute: 0 }, 'PT429 rate_limited'],
  ['bytes of a person', { stored_bytes_per_user: 0 }, 'PT409 quota_exceeded'],
  ['bytes of an organization', { stored_bytes: 0 }, 'PT409 quota_exceeded'],
])('a request over the limit of %s waits for no other request', async (_, limits, refusal) => {
  const sql = database()
  const { owner, agent } = await sql.begin(async (tx) => {
    const owner = await addOwner(tx)
    return { owner, agent: (await addAgent(tx, owner)).name }
  })
  await committedAs(sql, owner, begin({ agent }))
  await sql`
    update client_mgmt.organization_limits set ${sql(limits)}
    where organization_id = ${owner.organizationId}`
  await sql.begin(async (tx) => {
    await tx`
      select 1 from client_mgmt.organization_limits
      where organization_id = ${owner.organizationId} for update`
    const asked = committedAs(sql, owner, async (t) => {
      await t`set local lock_timeout = '1s'`
      return begin({ agent })(t)
    })
    expect(await outcome(asked)).toBe(refusal)
  })
  await sql`delete from public.agent_executions`
})
