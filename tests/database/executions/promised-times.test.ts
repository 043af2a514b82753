import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../../../dev/check/command.ts'
import { defaultCleanupIntervalMs } from '../../../dev/stack/stack-options.ts'
import { heartbeatInterval } from '../../../supabase/functions/_shared/executions/stream/event-log.ts'
import { addOwner, as } from '../../support/people/tenants.ts'
import { addAgent, begin } from '../../support/rows/executions.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()

/** A document in one line: its sentences break where the lines are full. */
const read = (file: string) => readFileSync(path.join(root, file), 'utf8').replace(/\s+/g, ' ')

/** Seconds of the lease that an execution gets when it begins, and that a worker renews it for. */
const leases = () =>
  rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { organization_id, execution_id } = await as(tx, owner, begin({ agent }))
    const seconds = async () => {
      const [row] = await tx<{ left: number }[]>`
        select ceil(extract(epoch from lease_expires_at - clock_timestamp()))::int as left
        from public.agent_executions where id = ${execution_id}`
      return row?.left ?? NaN
    }
    const begun = await seconds()
    await as(
      tx,
      'service_role',
      (t) => t`select public.renew_execution_lease(${organization_id}, ${execution_id})`,
    )
    return { begun, renewed: await seconds() }
  })

test('an execution whose worker died ends within a minute: its lease and the clean-up are shorter', async () => {
  const { renewed } = await leases()
  const [job] = await sql<{ schedule: string }[]>`
    select schedule from public.clean_ups() where routine = 'expire_execution_leases'`
  const every = defaultCleanupIntervalMs / 1_000
  expect(job?.schedule).toBe(`${every} seconds`)
  expect(read('README.md')).toContain(`'colloquy-session-cleanup', '${every} seconds'`)
  expect(renewed + every).toBeLessThan(60)
  const promise = `its lease runs out ${renewed} s after the last renewal, and the clean-up runs every ${every} s`
  expect(read('docs/executions.md')).toContain(promise)
})

test('an execution that no worker works on counts for the seconds that the documents name', async () => {
  const { begun } = await leases()
  expect(read('docs/executions.md')).toContain(
    `An execution that no worker works on counts for ${begun} s.`,
  )
})

test('a cancel and a lost access are noticed as soon as the documents say', () => {
  const promise = `when the worker next renews the lease, at most ${heartbeatInterval / 1_000} s later`
  const said = read('docs/executions.md').split(promise)
  expect(said).toHaveLength(3)
  expect(read('docs/security-model.md')).toContain(promise)
})
