import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import {
  addDevice,
  addOwner,
  as,
  committedAs,
  untilSomeoneWaits,
} from '../../support/people/tenants.ts'
import { addAgent, invoke } from '../../support/rows/executions.ts'
import { connectOwner } from '../../support/stack/database.ts'

const sql = connectOwner()

const bring = (session: string, project: string) => (tx: TransactionSql) =>
  tx`select * from public.import_chat_session(${session}, ${project})`

test('of two imports at once the second waits before it looks for personas, and makes none twice', async () => {
  const { owner, project, sessions } = await sql.begin(async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const [project] = await tx<{ id: string }[]>`
      insert into client_mgmt.projects (organization_id, name)
      values (${owner.organizationId}, 'Research') returning id`
    const sessions = []
    for (const content of ['One', 'Two'])
      sessions.push((await invoke(tx, owner, { agent, content })).begun.session_id)
    return { owner, project: project?.id ?? '', sessions }
  })
  const [first = '', second = ''] = sessions
  const device = await addDevice(sql, owner)
  let waited: Promise<unknown> | undefined
  await sql.begin(async (tx) => {
    await as(tx, owner, bring(first, project))
    waited = committedAs(sql, device, bring(second, project))
    await untilSomeoneWaits(tx)
  })
  await waited
  const personas = await sql`
    select type from conversation.participants where organization_id = ${owner.organizationId}
    order by type`
  expect([...personas]).toEqual([{ type: 'agent' }, { type: 'person' }])
})
