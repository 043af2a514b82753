import type { TransactionSql } from 'postgres'
import { expect, test } from 'vitest'
import { addMember, addOwner, as, committedAs, type Member } from '../../support/people/tenants.ts'
import { addBudget, addPricedAgent } from '../../support/rows/budgets.ts'
import { addAgent } from '../../support/rows/executions.ts'
import { beginDue, listSchedules, makeDue, makeSchedule } from '../../support/rows/schedules.ts'
import { connectOwner, rolledBack } from '../../support/stack/database.ts'

const sql = connectOwner()
const run = (tx: TransactionSql) => as(tx, 'service_role', beginDue)
const runsOf = (tx: TransactionSql, actor: Member, id: string) =>
  as(tx, actor, (t) => t`select * from public.list_schedule_runs(${id})`)

test('a due time begins one execution as the member, and the schedule moves on', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, owner, makeSchedule({ agent, cron: '* * * * *' }))
    expect(await run(tx)).toBeNull()
    await makeDue(tx, id, 3)
    const due = await run(tx)
    const { execution } = due ?? {}
    expect(due).toMatchObject({
      schedule_id: id,
      execution: { status: 'running', replayed: false },
    })
    expect(execution?.history).toMatchObject([{ role: 'user', content: 'Write the report.' }])
    const [row] = await tx`
      select x.user_id, c.user_session_id, s.title from public.agent_executions x
      join private.execution_callers c on c.execution_id = x.id
      join public.chat_sessions s on s.id = x.session_id
      where x.id = ${execution?.execution_id ?? null}`
    expect(row).toEqual({ user_id: owner.id, user_session_id: id, title: 'Report' })
    // Of three missed times the last one ran, and nothing is due now.
    expect(Date.now() - Date.parse(due?.due_at ?? '')).toBeLessThan(120_000)
    const [listed] = await listSchedules(tx, owner)
    expect(listed?.last_execution_id).toBe(execution?.execution_id)
    expect(listed?.next_due_at?.getTime()).toBeGreaterThan(Date.parse(due?.due_at ?? ''))
    expect(await runsOf(tx, owner, id)).toMatchObject([
      { execution_id: execution?.execution_id, status: 'running', error_code: null },
    ])
  })
})

test('workers that race share the due times: each begins once', async () => {
  const owner = await addOwner(sql)
  const { name: agent } = await addAgent(sql, owner)
  await sql`
    update client_mgmt.organization_limits
    set max_concurrent_executions = 100, max_concurrent_per_user = 100
    where organization_id = ${owner.organizationId}`
  const ids: string[] = []
  for (let n = 0; n < 6; n++) {
    const { id } = await committedAs(sql, owner, makeSchedule({ agent }))
    ids.push(id)
    await makeDue(sql, id, 5)
  }
  const worker = async () => {
    const begun = []
    for (;;) {
      const due = await committedAs(sql, 'service_role', beginDue)
      if (due === null) return begun
      begun.push(due)
    }
  }
  const all = (await Promise.all([worker(), worker(), worker(), worker()])).flat()
  const mine = all.filter(({ schedule_id }) => ids.includes(schedule_id))
  expect(mine.map(({ schedule_id }) => schedule_id).sort()).toEqual([...ids].sort())
  expect(mine.map(({ error_code }) => error_code ?? 'begun')).toEqual(ids.map(() => 'begun'))
  const rows = await sql`
    select 1 from public.agent_executions where organization_id = ${owner.organizationId}`
  expect(rows).toHaveLength(6)
  await sql`update public.organizations set is_active = false where id = ${owner.organizationId}`
})

test('a worker that dies before its transaction ends leaves the due time to the next one', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, owner, makeSchedule({ agent }))
    await makeDue(tx, id)
    const died = tx.savepoint(async (t) => {
      await run(t)
      throw new Error('killed')
    })
    await expect(died).rejects.toThrow('killed')
    expect(await run(tx)).toMatchObject({ schedule_id: id })
    expect(await run(tx)).toBeNull()
  })
})

const losses: [string, (tx: TransactionSql, owner: Member, member: Member) => unknown][] = [
  ['removed', (tx, owner, { id }) => as(tx, owner, (t) => t`select public.remove_member(${id})`)],
  [
    'made a guest',
    (tx, { organizationId }, { id }) => tx`
    update client_mgmt.client_users set role = 'guest'
    where organization_id = ${organizationId} and user_id = ${id}`,
  ],
  ['suspended', (tx, _, { id }) => tx`update public.users set is_active = false where id = ${id}`],
  [
    'in a suspended organization',
    (tx, { organizationId }) => tx`
    update public.organizations set is_active = false where id = ${organizationId}`,
  ],
]

test.each(losses)('the schedule of a member who is %s pauses at its due time', async (_, lose) => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, member, makeSchedule({ agent }))
    await makeDue(tx, id)
    await lose(tx, owner, member)
    expect(await run(tx)).toMatchObject({ schedule_id: id, error_code: 'no_organization' })
    const [row] = await tx`select paused_reason from private.schedules where id = ${id}`
    expect(row?.paused_reason).toBe('access_lost')
    expect(await run(tx)).toBeNull()
    const [event] = await tx`
      select details, user_id from public.audit_logs
      where organization_id = ${owner.organizationId} and action = 'schedule.pause'`
    expect(event).toMatchObject({
      details: { reason: 'access_lost', owner: member.id },
      user_id: null,
    })
    const rows = await tx`
      select 1 from public.agent_executions where organization_id = ${owner.organizationId}`
    expect(rows).toHaveLength(0)
  })
})

test('the list says at once that the access is lost, and a member who is back resumes', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const member = await addMember(tx, owner.organizationId)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, member, makeSchedule({ agent }))
    await as(tx, owner, (t) => t`select public.remove_member(${member.id})`)
    expect(await listSchedules(tx, owner)).toMatchObject([{ id, paused_reason: 'access_lost' }])
    await tx`update client_mgmt.client_users set ended_at = null where user_id = ${member.id}`
    await makeDue(tx, id, 3)
    // The membership came back, and the right of the schedule does not come back by itself.
    expect(await run(tx)).toMatchObject({ error_code: 'no_organization' })
    await as(tx, member, (t) => t`select public.resume_schedule(${id})`)
    await makeDue(tx, id)
    expect(await run(tx)).toMatchObject({ schedule_id: id, execution: { status: 'running' } })
  })
})

test('a used-up budget and an agent that is gone pause the schedule with their code', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const agent = await addPricedAgent(tx, owner)
    await addBudget(tx, owner, { period: 'day', limit_usd: '0.000001' })
    const poor = await as(tx, owner, makeSchedule({ agent }))
    await makeDue(tx, poor.id)
    expect(await run(tx)).toMatchObject({ error_code: 'budget_exceeded' })
    expect(await listSchedules(tx, owner)).toMatchObject([{ paused_reason: 'budget_exceeded' }])
    const { name } = await addAgent(tx, owner)
    const lost = await as(tx, owner, makeSchedule({ agent: name }))
    await tx`update public.agents set enabled = false where name = ${name}`
    await makeDue(tx, lost.id)
    expect(await run(tx)).toMatchObject({ error_code: 'agent_not_found' })
    expect(await runsOf(tx, owner, lost.id)).toMatchObject([
      { execution_id: null, status: null, error_code: 'agent_not_found' },
    ])
  })
})

test('a limit of the moment is tried again each minute, ten times', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    await tx`
      update client_mgmt.organization_limits set max_concurrent_per_user = 1
      where organization_id = ${owner.organizationId}`
    const [first, second] = [
      await as(tx, owner, makeSchedule({ agent })),
      await as(tx, owner, makeSchedule({ agent })),
    ]
    await makeDue(tx, first.id, 2)
    expect(await run(tx)).toMatchObject({ schedule_id: first.id, execution: {} })
    await makeDue(tx, second.id)
    for (let n = 0; n < 10; n++) {
      expect(await run(tx)).toMatchObject({ error_code: 'too_many_executions' })
      const runs = await runsOf(tx, owner, second.id)
      expect(runs).toHaveLength(n === 9 ? 1 : 0)
      expect(await run(tx)).toBeNull()
      if (n < 9) await tx`update private.schedules set wake_at = now() where id = ${second.id}`
    }
    // It was left out, and goes on with its next time.
    const [row] = await tx`
      select tries, paused_at, wake_at > now() as later from private.schedules where id = ${second.id}`
    expect(row).toEqual({ tries: 0, paused_at: null, later: true })
  })
})

test('a schedule keeps its last 100 runs, and a deleted conversation leaves the run', async () => {
  await rolledBack(sql, async (tx) => {
    const owner = await addOwner(tx)
    const { name: agent } = await addAgent(tx, owner)
    const { id } = await as(tx, owner, makeSchedule({ agent }))
    await tx`
      insert into private.schedule_runs (organization_id, schedule_id, due_at, error_code)
      select ${owner.organizationId}, ${id}, now() - make_interval(days => n), 'internal_error'
      from generate_series(2, 106) n`
    await makeDue(tx, id)
    const due = await run(tx)
    expect(await runsOf(tx, owner, id)).toHaveLength(100)
    await tx`delete from public.agent_executions where id = ${due?.execution?.execution_id ?? ''}`
    const [newest] = await runsOf(tx, owner, id)
    expect(newest).toMatchObject({ execution_id: null, status: null, error_code: null })
  })
})
